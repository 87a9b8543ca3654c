package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatIsWrongWithAFile(t *testing.T) {
	for content, complaint := range map[string]string{
		``:                              "EOF",
		`[]`:                            "cannot unmarshal array",
		`{}`:                            "it names no server",
		`{"servers": ["a:1"], "x": 1}`:  `unknown field "x"`,
		`{"servers": ["a:1"]} {}`:       "something follows",
		`{"servers": ["10.0.0.1"]}`:     "missing port",
		`{"servers": ["10.0.0.1:0"]}`:   "is not HOST:PORT",
		`{"servers": [":6443"]}`:        "is not HOST:PORT",
		`{"servers": ["a:99999"]}`:      "is not HOST:PORT",
		`{"servers": ["fd00::1:6443"]}`: "too many colons",
		`{"fallback": ["a:https"]}`:     "is not HOST:PORT",
		`{"servers": ["a:1"], "prefer": "b:1", "fallback": ["b:1"]}`: "b:1 is to be preferred, but is none of the servers",
	} {
		if _, err := parseConfig([]byte(content)); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestAFileIsReadWhenItIsReplacedAndABrokenOneIsReportedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	replace := func(content string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	watched := watchedConfig{path: path}
	nothing := func(when string) {
		t.Helper()
		if read, err := watched.changed(); read != nil || err != nil {
			t.Errorf("%s: %v %v", when, read, err)
		}
	}
	if _, err := watched.changed(); !os.IsNotExist(err) {
		t.Errorf("without a file: %v", err)
	}
	nothing("still no file")
	for _, address := range []string{"10.0.0.1:6443", "10.0.0.2:6443"} {
		replace(`{"servers": ["` + address + `"], "prefer": ""}`)
		if read, err := watched.changed(); err != nil || !slices.Equal(read.Servers, []string{address}) {
			t.Errorf("%s: %v %v", address, read, err)
		}
		nothing("read already")
	}
	replace(`{"servers": `)
	if read, err := watched.changed(); read != nil || err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("broken: %v %v", read, err)
	}
	nothing("complained already")
	replace(`{"servers": ["[fd00::1]:6443"], "fallback": ["lb.example:6443"]}`)
	if read, err := watched.changed(); err != nil || read.Fallback[0] != "lb.example:6443" {
		t.Errorf("repaired: %v %v", read, err)
	}
}
