package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/flannel-io/flannel/pkg/lease"
	"github.com/flannel-io/flannel/pkg/subnet"
)

// writeCNIConfig fills the template in and puts it where the container runtime
// looks, by a temporary file and a rename, and only when it differs.
func writeCNIConfig(options options, config *subnet.Config, lease *lease.Lease, mtu int) error {
	if options.cniConfig == "" {
		return nil
	}
	template, err := os.ReadFile(options.cniTemplate)
	if err != nil {
		return fmt.Errorf("cannot read the CNI template: %w", err)
	}
	content, err := fillCNITemplate(template, podSubnets(config, lease), mtu)
	if err != nil {
		return fmt.Errorf("%s: %w", options.cniTemplate, err)
	}
	if current, err := os.ReadFile(options.cniConfig); err == nil && bytes.Equal(current, content) {
		return nil
	}
	if err := replaceFile(options.cniConfig, content); err != nil {
		return fmt.Errorf("cannot write the CNI configuration: %w", err)
	}
	return nil
}

// removeCNIConfig keeps pods from getting addresses of a lease that is gone: the
// node is not ready until there is another.
func removeCNIConfig(options options) error {
	if options.cniConfig == "" {
		return nil
	}
	if err := os.Remove(options.cniConfig); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove the CNI configuration: %w", err)
	}
	return nil
}

func podSubnets(config *subnet.Config, lease *lease.Lease) []string {
	var subnets []string
	if config.EnableIPv4 {
		subnets = append(subnets, lease.Subnet.String())
	}
	if config.EnableIPv6 {
		subnets = append(subnets, lease.IPv6Subnet.String())
	}
	return subnets
}

// fillCNITemplate sets the bridge plugin's MTU and the ranges of its IPAM.
func fillCNITemplate(template []byte, subnets []string, mtu int) ([]byte, error) {
	var conflist map[string]any
	if err := json.Unmarshal(template, &conflist); err != nil {
		return nil, err
	}
	plugins, _ := conflist["plugins"].([]any)
	for _, entry := range plugins {
		plugin, _ := entry.(map[string]any)
		if plugin["type"] != "bridge" {
			continue
		}
		ipam, _ := plugin["ipam"].(map[string]any)
		if ipam == nil {
			return nil, fmt.Errorf("the bridge plugin has no ipam section")
		}
		ranges := []any{}
		for _, subnet := range subnets {
			ranges = append(ranges, []any{map[string]any{"subnet": subnet}})
		}
		ipam["ranges"] = ranges
		plugin["mtu"] = mtu
		content, err := json.MarshalIndent(conflist, "", "  ")
		return append(content, '\n'), err
	}
	return nil, fmt.Errorf("there is no bridge plugin to fill in")
}

func replaceFile(path string, content []byte) error {
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	// A name that no container runtime takes for a configuration.
	temporary, err := os.CreateTemp(directory, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	defer temporary.Close()
	if _, err := temporary.Write(content); err != nil {
		return err
	}
	if err := temporary.Chmod(0o600); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
