package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Every API server has a certificate for this name, whatever address it is
// reached by; other programs of the cluster do not.
const serverName = "kubernetes.default.svc"

// probe says what is wrong with the API server at an address.
type probe func(ctx context.Context, address string) error

// newProbe asks for /readyz. It keeps its connection to each server, so that
// a check costs the server no TLS handshake.
func newProbe(caFile string) (probe, error) {
	authority, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	client := http.Client{
		Transport: &http.Transport{
			DialContext:     dialer(defaultTimes).DialContext,
			TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS12},
			// The end of a check does not end a handshake that it began.
			TLSHandshakeTimeout: defaultTimes.checkTimeout,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     30 * time.Second,
			ReadBufferSize:      1024,
			WriteBufferSize:     1024,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context, address string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if ctx.Err() != nil {
			return errors.New("/readyz is not answered in time")
		}
		if err != nil {
			// Without the request, which is always the same.
			return errors.Unwrap(err)
		}
		defer answer.Body.Close()
		failed := failedChecks(io.LimitReader(answer.Body, 16384))
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz answers %s %s", answer.Status, failed)
		}
		return nil
	}, nil
}

// failedChecks reads an answer to its end, and returns its lines that name a
// check that failed.
func failedChecks(body io.Reader) string {
	var failed []string
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "[-]") {
			failed = append(failed, lines.Text())
		}
	}
	return strings.Join(failed, "; ")
}

// healthHandler answers GET /healthz with the state of all servers.
func healthHandler(servers *servers) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(answer)
		encoder.SetIndent("", "  ")
		encoder.Encode(servers.report())
	})
	return mux
}
