package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
)

// config is the file that names the servers, each as HOST:PORT.
type config struct {
	// Servers are checked, and used while they are well.
	Servers []string `json:"servers"`
	// Fallback is not checked, and used when no server can be reached.
	Fallback []string `json:"fallback"`
	// Prefer is the server to use whenever it is well, such as the one on
	// this host.
	Prefer string `json:"prefer"`
}

func parseConfig(content []byte) (*config, error) {
	var read config
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&read); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	if len(read.Servers)+len(read.Fallback) == 0 {
		return nil, errors.New("it names no server")
	}
	for _, address := range slices.Concat(read.Servers, read.Fallback) {
		if err := checkAddress(address); err != nil {
			return nil, err
		}
	}
	if read.Prefer != "" && !slices.Contains(read.Servers, read.Prefer) {
		return nil, fmt.Errorf("%s is to be preferred, but is none of the servers", read.Prefer)
	}
	return &read, nil
}

func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 || host == "" {
		return fmt.Errorf("%q is not HOST:PORT", address)
	}
	return nil
}

// watchedConfig knows which version of the file was read last.
type watchedConfig struct {
	path string
	last os.FileInfo
	gone bool
}

// changed returns what the file says when it was replaced since the last call,
// and nil when it was not. What is wrong with a file is returned once.
func (w *watchedConfig) changed() (*config, error) {
	now, err := os.Stat(w.path)
	if err != nil {
		if w.gone {
			return nil, nil
		}
		w.gone, w.last = true, nil
		return nil, err
	}
	w.gone = false
	if w.last != nil && os.SameFile(now, w.last) && now.ModTime().Equal(w.last.ModTime()) && now.Size() == w.last.Size() {
		return nil, nil
	}
	w.last = now
	content, err := os.ReadFile(w.path)
	if err != nil {
		return nil, err
	}
	read, err := parseConfig(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.path, err)
	}
	return read, nil
}
