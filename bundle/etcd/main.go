// Command etcd is the multi-call program of etcd, etcdctl and etcdutl: it
// runs the one named by argv[0]. Called as "etcd k3a-flags" it prints the
// flags that etcd knows.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdctl/v3/ctlv3"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
	"go.etcd.io/etcd/pkg/v3/cobrautl"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		if len(os.Args) == 2 && os.Args[1] == "k3a-flags" {
			printFlags()
			return
		}
		etcdmain.Main(os.Args)
	case "etcdctl":
		ctlv3.MustStart()
	case "etcdutl":
		if err := etcdutlCommand().Execute(); err != nil {
			cobrautl.ExitWithError(cobrautl.ExitError, err)
		}
	default:
		fmt.Fprintf(os.Stderr, "%s is not a command of this program: call it etcd, etcdctl or etcdutl\n", name)
		os.Exit(2)
	}
}

// etcdutlCommand repeats upstream's main package, which cannot be imported.
func etcdutlCommand() *cobra.Command {
	command := &cobra.Command{Use: "etcdutl", Short: "An administrative command line tool for etcd3."}
	command.SetHelpTemplate(`{{.UsageString}}`)
	command.PersistentFlags().DurationVar(&etcdutl.FlockTimeout, "timeout", 10*time.Second,
		"time to wait to obtain a file lock on db file, 0 to block indefinitely")
	command.PersistentFlags().StringVarP(&etcdutl.OutputFormat, "write-out", "w", "simple",
		"set the output format (fields, json, protobuf, simple, table)")
	command.AddCommand(
		etcdutl.NewDefragCommand(),
		etcdutl.NewSnapshotCommand(),
		etcdutl.NewHashKVCommand(),
		etcdutl.NewVersionCommand(),
		etcdutl.NewCompletionCommand(),
		etcdutl.NewMigrateCommand(),
	)
	return command
}

func printFlags() {
	set := flag.NewFlagSet("etcd", flag.ContinueOnError)
	embed.NewConfig().AddFlags(set)
	// The flags that etcdmain adds to those of the embedded server.
	names := []string{"config-file", "discovery-fallback", "initial-cluster-state", "v2-deprecation", "version"}
	set.VisitAll(func(flag *flag.Flag) { names = append(names, flag.Name) })
	sort.Strings(names)
	if err := json.NewEncoder(os.Stdout).Encode(map[string][]string{"etcd": names}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
