package main

import (
	"context"
	"errors"
	"log"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/inetaf/tcpproxy"
	"golang.org/x/sys/unix"
)

// times say how long things may take.
type times struct {
	// From the start of a check to the start of the next one.
	checkInterval time.Duration
	checkTimeout  time.Duration
	// More than the second after which the kernel repeats a lost SYN.
	dialTimeout time.Duration
	// How long sent data may stay without acknowledgement.
	userTimeout time.Duration
}

// A server that falls silent is left after interval + two timeouts: 6 s.
var defaultTimes = times{
	checkInterval: time.Second,
	checkTimeout:  2500 * time.Millisecond,
	dialTimeout:   1500 * time.Millisecond,
	userTimeout:   5 * time.Second,
}

// A server that answers wrongly, or not in time, gets a second chance.
const failuresAllowed = 1

type state string

const (
	healthy   state = "healthy"
	unknown   state = "unknown"
	unhealthy state = "unhealthy"
	unchecked state = "unchecked"
)

// server is one that connections may go to. A fallback is never checked.
type server struct {
	address     string
	state       state
	since       time.Time
	reason      string
	failures    int
	stop        context.CancelFunc
	connections map[*connection]struct{}
}

// connection is one of a client, and the one to a server that continues it.
type connection struct {
	client, server net.Conn
}

func (c *connection) close() {
	c.client.Close()
	c.server.Close()
}

// servers brings connections to servers. It is a tcpproxy.Target.
type servers struct {
	ctx    context.Context
	times  times
	probe  probe
	dialer *net.Dialer

	mutex sync.Mutex
	// In the order of preference when none of them is known to be healthy.
	list   []*server
	prefer string
	// Where the last connection went to.
	current     string
	unreachable bool
}

func newServers(ctx context.Context, times times, probe probe) *servers {
	return &servers{ctx: ctx, times: times, probe: probe, dialer: dialer(times)}
}

// dialer makes connections that notice when the other side is gone.
func dialer(times times) *net.Dialer {
	return &net.Dialer{
		Timeout:         times.dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(socket uintptr) {
				milliseconds := int(times.userTimeout.Milliseconds())
				failed = unix.SetsockoptInt(int(socket), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, milliseconds)
			})
			return errors.Join(err, failed)
		},
	}
}

// update takes over a new list. Servers that stay keep their connections.
func (s *servers) update(config config) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	former := map[string]*server{}
	for _, each := range s.list {
		former[each.address] = each
	}
	s.list = nil
	take := func(address string, fallback bool) {
		if slices.ContainsFunc(s.list, func(each *server) bool { return each.address == address }) {
			return
		}
		each := former[address]
		delete(former, address)
		if each == nil {
			each = &server{address: address, since: time.Now(), connections: map[*connection]struct{}{}}
		}
		s.list = append(s.list, each)
		if fallback && each.state != unchecked {
			each.unwatch()
			each.state = unchecked
		} else if !fallback && each.stop == nil {
			each.state = unknown
			s.watch(each)
		}
	}
	if config.Prefer != "" {
		take(config.Prefer, false)
	}
	for _, address := range config.Servers {
		take(address, false)
	}
	for _, address := range config.Fallback {
		take(address, true)
	}
	s.prefer = config.Prefer
	for _, each := range former {
		each.unwatch()
		s.closeAll(each, "it is no server any more")
	}
	log.Printf("servers: %q, preferred: %q, fallback: %q", config.Servers, config.Prefer, config.Fallback)
}

// ---- health

func (s *servers) watch(each *server) {
	ctx, cancel := context.WithCancel(s.ctx)
	each.stop = cancel
	go s.check(ctx, each)
}

func (each *server) unwatch() {
	if each.stop != nil {
		each.stop()
		each.stop = nil
	}
}

// check asks one server how it is until ctx ends.
func (s *servers) check(ctx context.Context, each *server) {
	interval := time.NewTicker(s.times.checkInterval)
	defer interval.Stop()
	for {
		asked, cancel := context.WithTimeout(ctx, s.times.checkTimeout)
		err := s.probe(asked, each.address)
		cancel()
		s.checked(ctx, each, err)
		select {
		case <-ctx.Done():
			return
		case <-interval.C:
		}
	}
}

func (s *servers) checked(ctx context.Context, each *server, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		each.failures = 0
		s.turn(each, healthy, "/readyz is ok")
		return
	}
	each.failures++
	if each.state != healthy || each.failures > failuresAllowed || errors.Is(err, syscall.ECONNREFUSED) {
		s.turn(each, unhealthy, err.Error())
	}
}

// turn notes what a server is like now. As soon as another one is healthy,
// connections to an unhealthy server are closed; until then they stay, for
// nobody can do better.
func (s *servers) turn(each *server, now state, reason string) {
	each.reason = reason
	if each.state == now {
		return
	}
	log.Printf("%s is %s (%s for %s): %s", each.address, now, each.state, time.Since(each.since).Round(100*time.Millisecond), reason)
	each.state, each.since = now, time.Now()
	s.leaveUnhealthy()
}

func (s *servers) leaveUnhealthy() {
	if !slices.ContainsFunc(s.list, func(each *server) bool { return each.state == healthy }) {
		return
	}
	for _, each := range s.list {
		if each.state == unhealthy {
			s.closeAll(each, "it is unhealthy")
		}
	}
}

func (s *servers) closeAll(each *server, reason string) {
	if len(each.connections) > 0 {
		log.Printf("%s: %d connections closed: %s", each.address, len(each.connections), reason)
	}
	for open := range each.connections {
		open.close()
	}
	clear(each.connections)
}

// ---- connections

// HandleConn brings a client's connection to a server, and returns when it is
// over.
func (s *servers) HandleConn(client net.Conn) {
	var to *server
	open := &connection{client: client}
	proxy := tcpproxy.DialProxy{
		// Both are up to the dialer.
		DialTimeout:     -1,
		KeepAlivePeriod: -1,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var err error
			to, err = s.connect(ctx, network, open)
			return open.server, err
		},
		OnDialError: func(client net.Conn, _ error) { client.Close() },
	}
	proxy.HandleConn(client)
	if to != nil {
		s.mutex.Lock()
		delete(to.connections, open)
		s.mutex.Unlock()
	}
}

// connect dials one server after the other until one answers.
func (s *servers) connect(ctx context.Context, network string, open *connection) (*server, error) {
	tried := map[*server]bool{}
	for {
		each := s.choose(tried)
		if each == nil {
			return nil, s.nobodyAnswers()
		}
		tried[each] = true
		dialled, err := s.dialer.DialContext(ctx, network, each.address)
		if err != nil {
			s.refused(each, err)
			continue
		}
		open.server = dialled
		if s.connected(each, open) {
			return each, nil
		}
		dialled.Close()
	}
}

// choose returns the best server that has not been tried: the preferred one,
// then the one that the last connection went to, then any, as long as it is
// healthy; then the others in the order of the list.
func (s *servers) choose(tried map[*server]bool) *server {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	left := slices.DeleteFunc(slices.Clone(s.list), func(each *server) bool { return tried[each] })
	well := slices.DeleteFunc(slices.Clone(left), func(each *server) bool { return each.state != healthy })
	for _, address := range []string{s.prefer, s.current} {
		if at := slices.IndexFunc(well, func(each *server) bool { return each.address == address }); at >= 0 {
			return well[at]
		}
	}
	if len(well) > 0 {
		return well[rand.IntN(len(well))]
	}
	if len(left) > 0 {
		return left[0]
	}
	return nil
}

func (s *servers) refused(each *server, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if each.state == healthy {
		s.turn(each, unhealthy, err.Error())
	}
}

// connected notes a connection, unless the server has left the list.
func (s *servers) connected(each *server, open *connection) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !slices.Contains(s.list, each) {
		return false
	}
	if s.current != each.address {
		log.Printf("connections go to %s (%s) now, before: %q", each.address, each.state, s.current)
		s.current = each.address
	}
	s.unreachable = false
	each.connections[open] = struct{}{}
	s.leaveUnhealthy()
	return true
}

func (s *servers) nobodyAnswers() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.unreachable {
		log.Println("no server can be reached; connections are closed until one can")
		s.unreachable = true
	}
	return errors.New("no server can be reached")
}

// ---- report

type serverReport struct {
	Address     string `json:"address"`
	State       state  `json:"state"`
	Seconds     int    `json:"seconds"`
	Reason      string `json:"reason,omitempty"`
	Connections int    `json:"connections"`
}

type report struct {
	Current string         `json:"current"`
	Prefer  string         `json:"prefer"`
	Servers []serverReport `json:"servers"`
}

func (s *servers) report() report {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	told := report{Current: s.current, Prefer: s.prefer}
	for _, each := range s.list {
		told.Servers = append(told.Servers, serverReport{
			each.address, each.state, int(time.Since(each.since).Seconds()), each.reason, len(each.connections),
		})
	}
	return told
}
