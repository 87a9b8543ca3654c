// Command kubernetes is the multi-call program of the Kubernetes components.
//
// It runs the component named by argv[0], so one file holds what upstream
// ships as six, and the processes of a server share their text pages.
// Called as "kubernetes flags" it prints the flags that each daemon knows.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
)

var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	if name == "kubectl" {
		os.Exit(runKubectl())
	}
	if name == "kubernetes" && len(os.Args) == 2 && os.Args[1] == "flags" {
		os.Exit(printFlags())
	}
	newCommand, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s is not a component of this program: call it by a component's name\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(newCommand()))
}

// printFlags prints {component: [flag, ...]} of the daemons.
func printFlags() int {
	flags := map[string][]string{"kubelet": flagNames(kubeletFlagSet())}
	for name, newCommand := range components {
		if name != "kubelet" {
			flags[name] = flagNames(newCommand().Flags())
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(flags); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func flagNames(set *pflag.FlagSet) []string {
	names := []string{}
	set.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	sort.Strings(names)
	return names
}

// kubeletFlagSet is built as NewKubeletCommand does it: that command parses
// its flags by itself and does not show them to cobra.
func kubeletFlagSet() *pflag.FlagSet {
	set := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	kubeletoptions.NewKubeletFlags().AddFlags(set)
	config, err := kubeletoptions.NewKubeletConfiguration()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	kubeletoptions.AddKubeletConfigFlags(set, config)
	kubeletoptions.AddGlobalFlags(set)
	return set
}
