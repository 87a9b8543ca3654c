package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"time"

	"k8s.io/klog/v2"
)

type options struct {
	kubeconfig  string
	nodeName    string
	netConfig   string
	subnetFile  string
	iface       string
	publicIP    string
	publicIPv6  string
	cniTemplate string
	cniConfig   string
	ruleResync  time.Duration
	version     bool
}

func newFlagSet(o *options) *flag.FlagSet {
	set := flag.NewFlagSet("flanneld", flag.ExitOnError)
	set.StringVar(&o.kubeconfig, "kubeconfig-file", "", "kubeconfig of flannel's user")
	set.StringVar(&o.nodeName, "node-name", os.Getenv("NODE_NAME"), "name of this node in the cluster")
	set.StringVar(&o.netConfig, "net-config-path", "/etc/kube-flannel/net-conf.json", "network configuration")
	set.StringVar(&o.subnetFile, "subnet-file", "/run/flannel/subnet.env", "where to write subnet and MTU")
	set.StringVar(&o.iface, "iface", "", "interface (name or address) to the other nodes; default: that of public-ip, or of the default route")
	set.StringVar(&o.publicIP, "public-ip", "", "IPv4 address by which other nodes reach this one")
	set.StringVar(&o.publicIPv6, "public-ipv6", "", "IPv6 address by which other nodes reach this one")
	set.StringVar(&o.cniTemplate, "cni-conf-template", "", "conflist to fill in with this node's subnets and MTU")
	set.StringVar(&o.cniConfig, "cni-conf-file", "", "where to write the filled-in conflist, once pods can run")
	set.DurationVar(&o.ruleResync, "rule-resync", 10*time.Second, "how often to look whether the masquerade and forward rules are still there")
	set.BoolVar(&o.version, "version", false, "print the version and exit")
	logging := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(logging)
	set.Var(logging.Lookup("v").Value, "v", "log level")
	return set
}

func parseFlags(arguments []string) options {
	var o options
	set := newFlagSet(&o)
	if len(arguments) == 1 && arguments[0] == "k3a-flags" {
		printFlags(set)
		os.Exit(0)
	}
	_ = set.Parse(arguments) // exits by itself
	if set.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "flanneld: unexpected argument %q\n", set.Arg(0))
		os.Exit(2)
	}
	return o
}

// printFlags prints {"flanneld": [flag, ...]}, for the bundle's manifest.
func printFlags(set *flag.FlagSet) {
	names := []string{}
	set.VisitAll(func(flag *flag.Flag) { names = append(names, flag.Name) })
	sort.Strings(names)
	if err := json.NewEncoder(os.Stdout).Encode(map[string][]string{"flanneld": names}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
