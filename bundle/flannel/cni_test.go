package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const template = `{"cniVersion": "1.0.0", "name": "cbr0", "plugins": [
 {"type": "bridge", "bridge": "cni0", "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}}]}`

func TestTheBridgeGetsSubnetsAndMTU(t *testing.T) {
	content, err := fillCNITemplate([]byte(template), []string{"10.42.1.0/24", "fd00:42::/64"}, 1450)
	if err != nil {
		t.Fatal(err)
	}
	var conflist struct {
		Plugins []struct {
			Type string
			MTU  int
			IPAM struct {
				Type   string
				Ranges [][]map[string]string
			}
		}
	}
	if err := json.Unmarshal(content, &conflist); err != nil {
		t.Fatal(err)
	}
	bridge := conflist.Plugins[0]
	if bridge.MTU != 1450 || bridge.IPAM.Type != "host-local" || len(bridge.IPAM.Ranges) != 2 ||
		bridge.IPAM.Ranges[0][0]["subnet"] != "10.42.1.0/24" || bridge.IPAM.Ranges[1][0]["subnet"] != "fd00:42::/64" {
		t.Errorf("not filled in: %s", content)
	}
	if conflist.Plugins[1].Type != "portmap" || conflist.Plugins[1].MTU != 0 {
		t.Errorf("another plugin changed: %s", content)
	}
}

func TestATemplateWithoutBridgeIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"plugins": [{"type": "portmap"}]}`: "no bridge plugin",
		`{"plugins": [{"type": "bridge"}]}`:  "no ipam",
		`{"plugins": [`:                      "unexpected end",
	} {
		if _, err := fillCNITemplate([]byte(text), nil, 1450); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestReplaceFileLeavesOnlyTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "net.d", "10-flannel.conflist")
	for _, content := range []string{"one", "two"} {
		if err := replaceFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("got %q, want %q", got, content)
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestTheConfigurationOfALostLeaseIsRemoved(t *testing.T) {
	options := options{cniConfig: filepath.Join(t.TempDir(), "10-flannel.conflist")}
	if err := os.WriteFile(options.cniConfig, []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := removeCNIConfig(options); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(options.cniConfig); !os.IsNotExist(err) {
			t.Fatalf("it is there still: %v", err)
		}
	}
}
