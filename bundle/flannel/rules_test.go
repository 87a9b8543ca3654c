package main

import (
	"context"
	"testing"
	"time"

	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/lease"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
)

// comparing does what flannel's iptables do first: it compares the networks with those of before.
type comparing struct{ trafficmngr.TrafficManager }

func (comparing) Init(context.Context) error { return nil }

func (comparing) SetupAndEnsureMasqRules(_ context.Context, network, subnetBefore, before ip.IP4Net, network6, subnetBefore6, before6 ip.IP6Net, current *lease.Lease, _ int, _ bool) error {
	_ = network.Equal(before) && subnetBefore.Equal(current.Subnet)
	_ = network6.Equal(before6) && subnetBefore6.Equal(current.IPv6Subnet)
	_, _ = before6.String(), subnetBefore6.String()
	return nil
}

func (comparing) SetupAndEnsureForwardRules(context.Context, ip.IP4Net, ip.IP6Net, int) {}

func TestNetworksOfIPv6AreComparedWithNone(t *testing.T) {
	network := ip.IP6Net{IP: ip.MustParseIP6("fd00:42::"), PrefixLen: 56}
	config := &subnet.Config{IPv6Network: network, EnableIPv6: true}
	leased := &lease.Lease{IPv6Subnet: ip.IP6Net{IP: ip.MustParseIP6("fd00:42::"), PrefixLen: 64}}
	if err := installRules(context.Background(), comparing{}, config, leased, time.Second); err != nil {
		t.Fatal(err)
	}
}
