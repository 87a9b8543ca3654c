package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/inetaf/tcpproxy"
)

var quick = times{
	checkInterval: 20 * time.Millisecond,
	checkTimeout:  200 * time.Millisecond,
	dialTimeout:   200 * time.Millisecond,
	userTimeout:   time.Second,
}

const patience = 10 * time.Second

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// ---- an API server, as far as the load balancer sees it

type apiServer struct {
	*httptest.Server
	address string
	name    string
	ready   atomic.Bool
}

// newAPIServer answers /readyz, and any other request with its name.
func newAPIServer(t *testing.T, name string, certificate tls.Certificate, address string) *apiServer {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &apiServer{name: name, address: listener.Addr().String()}
	server.ready.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(answer http.ResponseWriter, _ *http.Request) {
		if !server.ready.Load() {
			answer.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(answer, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")
		}
	})
	mux.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) { fmt.Fprint(answer, name) })
	server.Server = httptest.NewUnstartedServer(mux)
	server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.kill)
	return server
}

func (s *apiServer) kill() {
	s.Listener.Close()
	s.CloseClientConnections()
}

// newCertificate returns one of an authority of its own, and that authority's file.
func newCertificate(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.crt")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// ---- a load balancer before some of them

type fixture struct {
	*testing.T
	certificate tls.Certificate
	servers     *servers
	address     string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	certificate, authority := newCertificate(t, serverName)
	probe, err := newProbe(authority)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &fixture{t, certificate, newServers(ctx, quick, probe), listener.Addr().String()}
	proxy := tcpproxy.Proxy{ListenFunc: func(string, string) (net.Listener, error) { return listener, nil }}
	proxy.AddRoute(f.address, f.servers)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		proxy.Close()
	})
	return f
}

func (f *fixture) newAPIServer(name string) *apiServer {
	f.Helper()
	return newAPIServer(f.T, name, f.certificate, "127.0.0.1:0")
}

func (f *fixture) waitFor(what string, condition func() bool) {
	f.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if condition() {
			return
		}
	}
	f.Fatalf("%s did not happen: %+v", what, f.servers.report())
}

func (f *fixture) stateOf(address string) state {
	for _, each := range f.servers.report().Servers {
		if each.Address == address {
			return each.State
		}
	}
	return ""
}

func (f *fixture) waitUntil(server *apiServer, wanted state) {
	f.Helper()
	f.waitFor(server.name+" "+string(wanted), func() bool { return f.stateOf(server.address) == wanted })
}

// client is one connection through the load balancer.
type client struct {
	net.Conn
	answers *bufio.Reader
}

func (f *fixture) dial() *client {
	f.Helper()
	conn, err := tls.Dial("tcp", f.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

// ask returns the name of the server that answers on this connection.
func (c *client) ask() (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET /name HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	name, err := io.ReadAll(answer.Body)
	return string(name), err
}

func (f *fixture) expect(c *client, name string) {
	f.Helper()
	if got, err := c.ask(); got != name {
		f.Errorf("%q answered instead of %q (%v)", got, name, err)
	}
}

// expectClosed waits for the end of a connection that nobody asks anything on.
func (f *fixture) expectClosed(c *client) {
	f.Helper()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.answers.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		f.Errorf("the connection was not closed: %v", err)
	}
}

func addresses(servers ...*apiServer) []string {
	var all []string
	for _, each := range servers {
		all = append(all, each.address)
	}
	return all
}

// ---- what it does

func TestConnectionsGoToThePreferredServerWhileItIsWell(t *testing.T) {
	f := newFixture(t)
	a, b := f.newAPIServer("a"), f.newAPIServer("b")
	f.servers.update(config{Servers: addresses(a, b), Prefer: b.address})
	f.waitUntil(a, healthy)
	f.waitUntil(b, healthy)
	f.expect(f.dial(), "b")
	b.kill()
	f.waitUntil(b, unhealthy)
	f.expect(f.dial(), "a")
	again := newAPIServer(t, "b", f.certificate, b.address)
	f.waitUntil(again, healthy)
	f.expect(f.dial(), "b")
}

func TestWithoutPreferenceConnectionsStayWithOneServer(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.newAPIServer("a"), f.newAPIServer("b"), f.newAPIServer("c")
	f.servers.update(config{Servers: addresses(a, b, c)})
	for _, each := range []*apiServer{a, b, c} {
		f.waitUntil(each, healthy)
	}
	first, err := f.dial().ask()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		f.expect(f.dial(), first)
	}
}

func TestARefusedConnectionGoesToAnotherServerAtOnce(t *testing.T) {
	f := newFixture(t)
	f.servers.times.checkInterval = time.Hour
	a, b := f.newAPIServer("a"), f.newAPIServer("b")
	f.servers.update(config{Servers: addresses(a, b), Prefer: a.address})
	f.waitUntil(a, healthy)
	f.waitUntil(b, healthy)
	a.kill()
	f.expect(f.dial(), "b")
	if f.stateOf(a.address) != unhealthy {
		t.Error("a refused the connection and is not unhealthy")
	}
}

func TestConnectionsToAServerThatIsNotReadyAnyMoreAreClosed(t *testing.T) {
	f := newFixture(t)
	a, b := f.newAPIServer("a"), f.newAPIServer("b")
	f.servers.update(config{Servers: addresses(a, b), Prefer: a.address})
	f.waitUntil(a, healthy)
	f.waitUntil(b, healthy)
	held := f.dial()
	f.expect(held, "a")
	a.ready.Store(false)
	f.expectClosed(held)
	f.expect(f.dial(), "b")
	reasons := fmt.Sprint(f.servers.report())
	if !strings.Contains(reasons, "/readyz answers 500 Internal Server Error [-]etcd failed: reason withheld") {
		t.Errorf("the reason is not told: %s", reasons)
	}
}

func TestConnectionsToAServerThatFallsSilentAreClosed(t *testing.T) {
	f := newFixture(t)
	b := f.newAPIServer("b")
	a := newSilenceable(t, f.newAPIServer("a").address)
	f.servers.update(config{Servers: []string{a.address, b.address}, Prefer: a.address})
	f.waitUntil(b, healthy)
	f.waitFor("a healthy", func() bool { return f.stateOf(a.address) == healthy })
	held := f.dial()
	f.expect(held, "a")
	a.silent.Store(true)
	f.expectClosed(held)
	f.expect(f.dial(), "b")
	a.silent.Store(false)
	f.waitFor("a healthy", func() bool { return f.stateOf(a.address) == healthy })
}

// silenceable passes connections on to a server. Silent, it still takes them,
// as the kernel does for a program that hangs.
type silenceable struct {
	address string
	silent  atomic.Bool
}

func newSilenceable(t *testing.T, target string) *silenceable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	s := &silenceable{address: listener.Addr().String()}
	pass := func(to, from net.Conn) {
		defer to.Close()
		buffer := make([]byte, 4096)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				return
			}
			if s.silent.Load() {
				continue
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			go pass(server, client)
			go pass(client, server)
		}
	}()
	return s
}

func TestTheOnlyServerKeepsItsConnectionsWhileItIsNotReady(t *testing.T) {
	f := newFixture(t)
	a, b := f.newAPIServer("a"), f.newAPIServer("b")
	b.ready.Store(false)
	f.servers.update(config{Servers: addresses(a, b)})
	f.waitUntil(a, healthy)
	f.waitUntil(b, unhealthy)
	held := f.dial()
	a.ready.Store(false)
	f.waitUntil(a, unhealthy)
	f.expect(held, "a")
	b.ready.Store(true)
	f.expectClosed(held)
	f.expect(f.dial(), "b")
}

func TestWithoutAHealthyServerAllAreTriedAndFallbacksLast(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.newAPIServer("a"), f.newAPIServer("b"), f.newAPIServer("c")
	a.kill()
	b.ready.Store(false)
	f.servers.update(config{Servers: addresses(a, b), Fallback: addresses(c)})
	f.waitUntil(a, unhealthy)
	f.waitUntil(b, unhealthy)
	f.expect(f.dial(), "b")
	b.kill()
	f.expect(f.dial(), "c")
	if f.stateOf(c.address) != unchecked {
		t.Error("a fallback is checked")
	}
	c.kill()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	f.expectClosed(&client{conn, bufio.NewReader(conn)})
}

func TestAServerThatStaysInTheListKeepsItsConnections(t *testing.T) {
	f := newFixture(t)
	a, b, c := f.newAPIServer("a"), f.newAPIServer("b"), f.newAPIServer("c")
	f.servers.update(config{Servers: addresses(a, b), Prefer: a.address})
	f.waitUntil(a, healthy)
	f.waitUntil(b, healthy)
	toA := f.dial()
	f.expect(toA, "a")
	f.servers.update(config{Servers: addresses(b, a), Prefer: b.address})
	toB := f.dial()
	f.expect(toB, "b")
	f.servers.update(config{Servers: addresses(c, b)})
	f.expectClosed(toA)
	f.expect(toB, "b")
	f.waitUntil(c, healthy)
	if f.stateOf(a.address) != "" {
		t.Error("a is still known")
	}
}

func TestAFallbackThatBecomesAServerKeepsItsConnections(t *testing.T) {
	f := newFixture(t)
	a := f.newAPIServer("a")
	f.servers.update(config{Fallback: addresses(a)})
	held := f.dial()
	f.expect(held, "a")
	f.servers.update(config{Servers: addresses(a), Fallback: addresses(a)})
	f.waitUntil(a, healthy)
	f.expect(held, "a")
	f.servers.update(config{Fallback: addresses(a)})
	f.waitUntil(a, unchecked)
	f.expect(held, "a")
	if n := len(f.servers.report().Servers); n != 1 {
		t.Errorf("a is in the list %d times", n)
	}
}

func TestOneFailureIsForgivenButNoRefusal(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		name string
		err  error
		want []state
	}{
		{"failures", errors.New("500"), []state{healthy, unhealthy}},
		{"refusals", fmt.Errorf("dial: %w", syscall.ECONNREFUSED), []state{unhealthy, unhealthy}},
	} {
		each := &server{state: healthy}
		s := &servers{list: []*server{each}}
		var got []state
		for range test.want {
			s.checked(ctx, each, test.err)
			got = append(got, each.state)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s make it %v", test.name, got)
		}
		s.checked(ctx, each, nil)
		s.checked(ctx, each, errors.New("500"))
		if each.state != healthy || each.failures != 1 {
			t.Errorf("after one success and one failure: %+v", each)
		}
	}
}

func TestTheOpenConnectionsAreForgottenWhenTheyEnd(t *testing.T) {
	f := newFixture(t)
	a := f.newAPIServer("a")
	f.servers.update(config{Servers: addresses(a)})
	count := func() int { return f.servers.report().Servers[0].Connections }
	first := f.dial()
	f.expect(first, "a")
	f.expect(f.dial(), "a")
	if count() != 2 {
		t.Errorf("%d connections", count())
	}
	first.Close()
	f.waitFor("its end", func() bool { return count() == 1 })
}

func TestAServerOfAnotherAuthorityOrAnotherKindIsUnhealthy(t *testing.T) {
	f := newFixture(t)
	other, _ := newCertificate(t, serverName)
	foreign := newAPIServer(t, "foreign", other, "127.0.0.1:0")
	kubelet, authority := newCertificate(t, "node-1")
	notAPI := newAPIServer(t, "kubelet", kubelet, "127.0.0.1:0")
	f.servers.update(config{Servers: addresses(foreign)})
	f.waitUntil(foreign, unhealthy)
	probe, err := newProbe(authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := probe(context.Background(), notAPI.address); err == nil || !strings.Contains(err.Error(), serverName) {
		t.Errorf("the certificate of a kubelet is taken: %v", err)
	}
}

func TestHealthzTellsTheServers(t *testing.T) {
	f := newFixture(t)
	a := f.newAPIServer("a")
	f.servers.update(config{Servers: addresses(a), Prefer: a.address})
	f.waitUntil(a, healthy)
	f.expect(f.dial(), "a")
	answer := httptest.NewRecorder()
	healthHandler(f.servers).ServeHTTP(answer, httptest.NewRequest("GET", "/healthz", nil))
	var told report
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || answer.Code != http.StatusOK {
		t.Fatal(answer.Code, err)
	}
	if told.Current != a.address || told.Prefer != a.address || told.Servers[0].State != healthy {
		t.Errorf("%+v", told)
	}
}
