// The yaml-oracle tells how yaml.v3 reads a text: one line of JSON for each file named, in the form that
// tests/driver/yaml_probe_main.cc describes.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"gopkg.in/yaml.v3"
)

const maxDepth = 150

type answer struct {
	Documents []*value `json:"documents"`
	Error     string   `json:"error,omitempty"`
}

// A node with aliases and merges expanded by yaml.v3; null is a nil pointer. Bytes are written in base64.
type value struct {
	Kind    string   `json:"kind"`
	Line    int      `json:"line"`
	Column  int      `json:"column"`
	Text    []byte   `json:"text,omitempty"`
	Quoted  bool     `json:"quoted,omitempty"`
	Int     *int64   `json:"int,omitempty"`
	Bool    *bool    `json:"bool,omitempty"`
	Items   []*value `json:"items,omitempty"`
	Entries []entry  `json:"entries,omitempty"`
}

type entry struct {
	Key   []byte `json:"key"`
	Value *value `json:"value"`
}

func (v *value) UnmarshalYAML(node *yaml.Node) error {
	v.Line, v.Column = node.Line, node.Column
	switch node.Kind {
	case yaml.SequenceNode:
		v.Kind = "list"
		return node.Decode(&v.Items)
	case yaml.MappingNode:
		v.Kind = "map"
		var entries map[string]*value
		if err := node.Decode(&entries); err != nil {
			return err
		}
		for key, value := range entries {
			v.Entries = append(v.Entries, entry{[]byte(key), value})
		}
		return nil
	}
	v.Kind = "scalar"
	var text string
	if err := node.Decode(&text); err != nil {
		return err
	}
	v.Text = []byte(text)
	// A string whatever it looks like, if quotes or a tag make it one.
	var generic any
	if err := node.Decode(&generic); err != nil {
		return err
	}
	_, isText := generic.(string)
	v.Quoted = isText && node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0
	var number int64
	if node.Decode(&number) == nil {
		v.Int = &number
	}
	var truth bool
	if node.Decode(&truth) == nil {
		v.Bool = &truth
	}
	return nil
}

func (v *value) depth() int {
	if v == nil {
		return 0
	}
	deepest := 0
	for _, item := range v.Items {
		deepest = max(deepest, item.depth())
	}
	for _, entry := range v.Entries {
		deepest = max(deepest, entry.Value.depth())
	}
	return deepest + 1
}

func read(text []byte) (documents []*value, err error) {
	defer func() {
		if failure := recover(); failure != nil {
			documents, err = nil, fmt.Errorf("panic: %v", failure)
		}
	}()
	documents = []*value{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, err
		}
		// Finds, among others, anchors that contain themselves.
		var generic any
		if err := node.Decode(&generic); err != nil {
			return nil, err
		}
		var document *value
		if err := node.Decode(&document); err != nil {
			return nil, err
		}
		if document.depth() > maxDepth {
			return nil, errors.New("nested deeper than readers of this program's JSON allow")
		}
		documents = append(documents, document)
	}
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var said answer
		if said.Documents, err = read(text); err != nil {
			said.Error = err.Error()
		}
		if err := out.Encode(said); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
