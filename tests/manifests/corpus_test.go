// Copyright: (c) 2026, k3a.cluster contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package manifests records how Kubernetes reads the texts of corpus.json: as kubectl parts a file into documents, and as
// the API server makes JSON of each. It runs with the modules of the bundle's Kubernetes:
//
//	cd bundle/kubernetes && go test ../../tests/manifests/corpus_test.go -args -corpus $PWD/../../tests/manifests/corpus.json
//
// With -record after that it writes what it finds into the file. tests/unit/test_manifests.py compares the collection with that.
package manifests

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var (
	corpus = flag.String("corpus", "corpus.json", "the file with the texts")
	record = flag.Bool("record", false, "write what is found into the file")
)

// example is a text, and the documents that Kubernetes reads in it, or why it reads none.
type example struct {
	Name      string            `json:"name"`
	Text      string            `json:"text"`
	Documents []json.RawMessage `json:"documents"`
	Error     string            `json:"error,omitempty"`
}

// read parts a text as kubectl does, and makes JSON of each document as kubectl and the API server do.
func read(text string) ([]json.RawMessage, error) {
	documents := []json.RawMessage{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		found, err := yaml.YAMLToJSON(document)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(found, []byte("null")) {
			documents = append(documents, found)
		}
	}
}

func TestWhatIsRecordedIsWhatKubernetesReads(t *testing.T) {
	content, err := os.ReadFile(*corpus)
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	if err := json.Unmarshal(content, &examples); err != nil {
		t.Fatal(err)
	}
	for number := range examples {
		one := &examples[number]
		one.Documents, err = read(one.Text)
		one.Error = ""
		if err != nil {
			one.Error = strings.TrimSpace(strings.SplitN(err.Error(), "\n", 2)[0])
		}
	}
	var found bytes.Buffer
	encoder := json.NewEncoder(&found)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(examples); err != nil {
		t.Fatal(err)
	}
	if *record {
		if err := os.WriteFile(*corpus, found.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(content, found.Bytes()) {
		t.Errorf("%s has something else than Kubernetes reads; see it with -record", *corpus)
	}
}
