package main

import (
	"context"
	"slices"
	"time"

	"github.com/coreos/go-iptables/iptables"
	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/subnet"
	flanneliptables "github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"k8s.io/klog/v2"
)

// forwardRules remembers the protocols for which flannel keeps forward rules of
// iptables beside its nftables rules.
type forwardRules map[iptables.Protocol]bool

// keep adds flannel's forward rules to the FORWARD chain of iptables where that
// drops what it does not know, as Docker makes it: what a table of flannel's own
// accepts is dropped there all the same. flannel looks after them from then on.
func (kept forwardRules) keep(ctx context.Context, config *subnet.Config, resync time.Duration) {
	var network ip.IP4Net
	var networkIPv6 ip.IP6Net
	if config.EnableIPv4 && kept.begin(iptables.ProtocolIPv4) {
		network = config.Network
	}
	if config.EnableIPv6 && kept.begin(iptables.ProtocolIPv6) {
		networkIPv6 = config.IPv6Network
	}
	if network.Empty() && networkIPv6.Empty() {
		return
	}
	manager := &flanneliptables.IPTablesManager{}
	if err := manager.Init(ctx); err != nil {
		klog.Errorf("Cannot prepare flannel's forward rules of iptables: %v", err)
		return
	}
	manager.SetupAndEnsureForwardRules(ctx, network, networkIPv6, int(resync.Seconds()))
}

// begin reports whether rules for a protocol are needed that nobody keeps yet.
func (kept forwardRules) begin(protocol iptables.Protocol) bool {
	if kept[protocol] || !dropsForwarded(protocol) {
		return false
	}
	klog.Info("The FORWARD chain of iptables drops packets by default: adding flannel's rules to it")
	kept[protocol] = true
	return true
}

// dropsForwarded reports whether iptables has a FORWARD chain that drops by
// default. A host without the command, or without the chain, has none.
func dropsForwarded(protocol iptables.Protocol) bool {
	tables, err := iptables.NewWithProtocol(protocol)
	if err != nil {
		return false
	}
	rules, err := tables.List("filter", "FORWARD")
	return err == nil && policyDrops(rules)
}

// policyDrops reads the policy from what iptables -S says of a chain.
func policyDrops(rules []string) bool {
	return slices.Contains(rules, "-P FORWARD DROP")
}
