// Command ctr is containerd's ctr, with the defaults of this cluster's
// containerd: its socket, and the namespace of the pods.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/cmd/ctr/app"
)

var defaults = map[string]string{
	"CONTAINERD_ADDRESS":   "/run/k3a/containerd/containerd.sock",
	"CONTAINERD_NAMESPACE": "k8s.io",
}

func main() {
	for name, value := range defaults {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
	if err := app.New().Run(context.Background(), os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "ctr:", err)
		os.Exit(1)
	}
}
