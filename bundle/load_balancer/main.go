// Command k3a-load-balancer gives the programs of a node one address of the
// API: it takes TCP connections on loopback and brings each to a server that
// is well.
//
// It is a small main over tcpproxy, which carries the connections. What is
// added is the choice of the server (servers.go), the checks that the choice
// needs (probe.go) and the list of servers, read again whenever its file is
// replaced (config.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/inetaf/tcpproxy"
)

const lookInterval = time.Second

type options struct {
	config, caFile, listen, health string
}

func main() {
	var options options
	flag.StringVar(&options.config, "config", "", "JSON file that names the servers; read again whenever it is replaced")
	flag.StringVar(&options.caFile, "ca-file", "", "certificates of the authority that the servers' certificates are of")
	flag.StringVar(&options.listen, "listen", "127.0.0.1:6444", "address for connections to the API")
	flag.StringVar(&options.health, "health", "127.0.0.1:6445", "address for GET /healthz")
	flag.Parse()
	log.SetFlags(0)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := run(ctx, options); err != nil {
		log.Println("k3a-load-balancer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, options options) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q is no flag, and it takes nothing else", flag.Arg(0))
	}
	if options.config == "" || options.caFile == "" {
		return errors.New("--config and --ca-file are needed")
	}
	watched := watchedConfig{path: options.config}
	first, err := watched.changed()
	if err != nil {
		return err
	}
	probe, err := newProbe(options.caFile)
	if err != nil {
		return err
	}
	servers := newServers(ctx, defaultTimes, probe)
	servers.update(*first)
	failed := make(chan error, 2)
	if err := serveHealth(options.health, servers, failed); err != nil {
		return err
	}
	var proxy tcpproxy.Proxy
	proxy.AddRoute(options.listen, servers)
	if err := proxy.Start(); err != nil {
		return err
	}
	go func() { failed <- proxy.Wait() }()
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("cannot tell systemd that it is ready: %w", err)
	}
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-look.C:
			config, err := watched.changed()
			if err != nil {
				log.Printf("%v; the servers stay as they were", err)
			} else if config != nil {
				servers.update(*config)
			}
		}
	}
}

func serveHealth(address string, servers *servers, failed chan<- error) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := http.Server{Handler: healthHandler(servers), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return nil
}
