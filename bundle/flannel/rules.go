package main

import (
	"context"
	"fmt"
	"math/big"
	"os/exec"
	"time"

	"github.com/flannel-io/flannel/pkg/ip"
	"github.com/flannel-io/flannel/pkg/lease"
	"github.com/flannel-io/flannel/pkg/subnet"
	"github.com/flannel-io/flannel/pkg/trafficmngr"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"github.com/flannel-io/flannel/pkg/trafficmngr/nftables"
	"k8s.io/klog/v2"
	"sigs.k8s.io/knftables"
)

// keepTrafficRules installs the masquerade and forward rules and keeps them
// until ctx ends. flannel's iptables rules are looked after by flannel; for its
// nftables rules, which a reload of a firewall flushes, that happens here.
func keepTrafficRules(ctx context.Context, config *subnet.Config, lease *lease.Lease, resync time.Duration) error {
	cleanUpOtherRules(ctx, config)
	var manager trafficmngr.TrafficManager = &iptables.IPTablesManager{}
	if config.EnableNFTables {
		manager = &nftables.NFTablesManager{}
	}
	if err := installRules(ctx, manager, config, lease, resync); err != nil {
		return fmt.Errorf("cannot install the masquerade and forward rules: %w", err)
	}
	if config.EnableNFTables {
		installed := countRules(ctx, config)
		forwards := forwardRules{}
		forwards.keep(ctx, config, resync)
		go func() {
			for sleep(ctx, resync) {
				// Docker, or a firewall, may be started later.
				forwards.keep(ctx, config, resync)
				if countRules(ctx, config) == installed {
					continue
				}
				klog.Warning("The nftables rules of flannel are not what they were: installing them again")
				if err := installRules(ctx, manager, config, lease, resync); err != nil {
					klog.Errorf("Cannot install the nftables rules: %v", err)
				}
			}
		}()
	}
	return nil
}

func installRules(ctx context.Context, manager trafficmngr.TrafficManager, config *subnet.Config, lease *lease.Lease, resync time.Duration) error {
	if err := manager.Init(ctx); err != nil {
		return err
	}
	seconds := int(resync.Seconds())
	// What was before is not known. An address of IPv6 is a pointer, which flannel follows.
	none, none6 := ip.IP4Net{}, ip.IP6Net{IP: (*ip.IP6)(big.NewInt(0))}
	if err := manager.SetupAndEnsureMasqRules(ctx, config.Network, none, none,
		config.IPv6Network, none6, none6, lease, seconds, false); err != nil {
		return err
	}
	manager.SetupAndEnsureForwardRules(ctx, config.Network, config.IPv6Network, seconds)
	return nil
}

// cleanUpOtherRules removes what flannel left behind when it ran with the other
// of nftables and iptables. A host without that command has nothing to remove.
func cleanUpOtherRules(ctx context.Context, config *subnet.Config) {
	var other trafficmngr.TrafficManager = &nftables.NFTablesManager{}
	command := "nft"
	if config.EnableNFTables {
		other, command = &iptables.IPTablesManager{}, "iptables"
	}
	if _, err := exec.LookPath(command); err != nil {
		return
	}
	if err := other.CleanUp(ctx); err != nil {
		klog.Warningf("Cannot remove old %s rules of flannel: %v", command, err)
	}
}

// countRules counts the rules in flannel's chains; a missing table has none.
func countRules(ctx context.Context, config *subnet.Config) int {
	families := map[knftables.Family]string{}
	if config.EnableIPv4 {
		families[knftables.IPv4Family] = "flannel-ipv4"
	}
	if config.EnableIPv6 {
		families[knftables.IPv6Family] = "flannel-ipv6"
	}
	count := 0
	for family, table := range families {
		nft, err := knftables.New(family, table)
		if err != nil {
			continue
		}
		for _, chain := range []string{"forward", "postrtg"} {
			rules, err := nft.ListRules(ctx, chain)
			if err == nil {
				count += len(rules)
			}
		}
	}
	return count
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
