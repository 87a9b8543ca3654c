package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
)

const adminKubeconfig = "/etc/k3a/k3a.yaml"

// runKubectl runs kubectl; on a server it works without arguments, because
// the administrator's kubeconfig stands in for a missing one.
func runKubectl() int {
	if !choosesCluster(os.Args[1:]) {
		if err := useAdminKubeconfig(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		// kubectl has exit codes of its own; CheckErr knows them and exits.
		kubectlutil.CheckErr(err)
	}
	return 0
}

// choosesCluster reports whether the caller says which cluster is meant.
func choosesCluster(args []string) bool {
	if os.Getenv("KUBECONFIG") != "" {
		return true
	}
	for _, arg := range args {
		for _, flag := range []string{"--kubeconfig", "--server", "-s"} {
			if arg == flag || strings.HasPrefix(arg, flag+"=") {
				return true
			}
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(home, ".kube", "config"))
	return err == nil
}

func useAdminKubeconfig() error {
	file, err := os.Open(adminKubeconfig)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unable to read %s: run as root, or copy it to ~/.kube/config, or set KUBECONFIG", adminKubeconfig)
	}
	file.Close()
	return os.Setenv("KUBECONFIG", adminKubeconfig)
}
