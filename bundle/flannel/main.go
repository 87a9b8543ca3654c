// Command flanneld connects this node's pods with those of the other nodes.
//
// It is a small main over flannel's packages: the lease is the node's PodCIDR,
// kept by the Kubernetes API. READY=1 is sent, and the CNI configuration is
// written, when pods of this node can really reach the network.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	_ "github.com/flannel-io/flannel/pkg/backend/wireguard"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/version"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const (
	annotationPrefix = "flannel.alpha.coreos.com"
	podCIDRInterval  = 200 * time.Millisecond
)

func main() {
	options := parseFlags(os.Args[1:])
	if options.version {
		fmt.Println("flanneld", version.Version)
		return
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	err := run(ctx, options)
	if err != nil && ctx.Err() == nil {
		klog.Flush()
		fmt.Fprintln(os.Stderr, "flanneld:", err)
		os.Exit(1)
	}
}

// run works until ctx ends. What it set up stays: pods outlive flanneld.
func run(ctx context.Context, options options) error {
	if options.nodeName == "" {
		return errors.New("--node-name (or the variable NODE_NAME) is missing")
	}
	// The subnet manager takes the node's name from nowhere else.
	if err := os.Setenv("NODE_NAME", options.nodeName); err != nil {
		return err
	}
	manager, err := kube.NewSubnetManager(ctx, "", options.kubeconfig, annotationPrefix, options.netConfig, false)
	if err != nil {
		return err
	}
	config, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return err
	}
	client, err := newClient(options.kubeconfig)
	if err != nil {
		return err
	}
	node, err := waitForPodCIDR(ctx, client, options.nodeName)
	if err != nil {
		return err
	}
	external, err := externalInterface(ctx, manager, config, options)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	network, err := registerNetwork(ctx, &group, manager, external, config)
	if err != nil {
		return err
	}
	if err := keepTrafficRules(ctx, config, network.Lease(), options.ruleResync); err != nil {
		return err
	}
	lease := network.Lease()
	if err := manager.HandleSubnetFile(options.subnetFile, config, true, lease.Subnet, lease.IPv6Subnet, network.MTU()); err != nil {
		return fmt.Errorf("cannot write the subnet file: %w", err)
	}
	lost := make(chan error, 1)
	go func() { lost <- waitForLoss(ctx, client, node) }()
	finished := make(chan struct{})
	go func() {
		network.Run(ctx)
		close(finished)
	}()
	if err := writeCNIConfig(options, config, lease, network.MTU()); err != nil {
		return err
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("cannot tell systemd that flannel is ready: %w", err)
	}
	select {
	case err := <-lost:
		if ctx.Err() == nil {
			return errors.Join(err, removeCNIConfig(options))
		}
		<-finished
	case <-finished:
		if ctx.Err() == nil {
			return fmt.Errorf("the %s backend stopped by itself", config.BackendType)
		}
	}
	group.Wait()
	return nil
}

func externalInterface(ctx context.Context, manager subnet.Manager, config *subnet.Config, options options) (*backend.ExternalInterface, error) {
	public := ipmatch.PublicIPOpts{PublicIP: options.publicIP, PublicIPv6: options.publicIPv6}
	// An operator may overwrite the address by the node's annotation.
	if stored, storedIPv6 := manager.GetStoredPublicIP(ctx); stored != "" || storedIPv6 != "" {
		if stored != "" {
			public.PublicIP = stored
		}
		if storedIPv6 != "" {
			public.PublicIPv6 = storedIPv6
		}
	}
	stack, err := ipmatch.GetIPFamily(config.EnableIPv4, config.EnableIPv6)
	if err != nil {
		return nil, err
	}
	name := options.iface
	if name == "" {
		name = public.PublicIP
	}
	if name == "" {
		name = public.PublicIPv6
	}
	return ipmatch.LookupExtIface(name, "", "", stack, public)
}

// registerNetwork takes the lease and makes the backend's device. The manager's
// view of the node may lag a moment behind the API, so a refusal is tried again.
func registerNetwork(
	ctx context.Context, group *sync.WaitGroup, manager subnet.Manager, external *backend.ExternalInterface, config *subnet.Config,
) (backend.Network, error) {
	chosen, err := backend.NewManager(ctx, manager, external).GetBackend(config.BackendType)
	if err != nil {
		return nil, err
	}
	var network backend.Network
	var last error
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = wait.PollUntilContextCancel(deadline, podCIDRInterval, true, func(context.Context) (bool, error) {
		// With ctx, not deadline: the backend goes on working with it.
		network, last = chosen.RegisterNetwork(ctx, group, config)
		return last == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the %s backend cannot start: %w", config.BackendType, errors.Join(last, ctx.Err()))
	}
	return network, nil
}
