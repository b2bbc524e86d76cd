// Answers questions about templates with Go's text/template and Masterminds/sprig: one JSON object
// per line of standard input, one per line of standard output.
//
//	{"id":1,"op":"template","template":"{{ .a | upper }}","data":{"a":"x"},"missingkey":"error"}
//	{"id":1,"ok":true,"out64":"WA=="}
//	{"id":2,"ok":false,"error":"template: t:1:3: executing ..."}
//
// Further members: "key" (the template's name, default "t"), "left" and "right" (delimiters),
// "template64" and "data64" (the same in base64), "repeat" (parse and render as often, for measurements). "op":"functions" lists the names of all functions.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

const (
	longest     = 8 << 20
	patience    = 20 * time.Second
	memoryLimit = 2 << 30
)

type question struct {
	ID         json.RawMessage   `json:"id"`
	Op         string            `json:"op"`
	Key        string            `json:"key"`
	Template   string            `json:"template"`
	Template64 []byte            `json:"template64"`
	Left       string            `json:"left"`
	Right      string            `json:"right"`
	Data       map[string]string `json:"data"`
	Data64     map[string][]byte `json:"data64"`
	MissingKey string            `json:"missingkey"`
	Repeat     int               `json:"repeat"`
}

type answer struct {
	ID    json.RawMessage `json:"id"`
	OK    bool            `json:"ok"`
	Out   []byte          `json:"out64,omitempty"`
	Error string          `json:"error,omitempty"`
	Names []string        `json:"names,omitempty"`
}

// Refuses the output of a template that never ends.
type boundedWriter struct {
	strings.Builder
}

func (w *boundedWriter) Write(bytes []byte) (int, error) {
	if w.Len()+len(bytes) > longest {
		return 0, errors.New("oracle: too much output")
	}
	return w.Builder.Write(bytes)
}

// The functions of External Secrets: sprig without those that read the environment or the network,
// and its own.
func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(all, name)
	}
	maps.Copy(all, ownFunctions())
	return all
}

func render(q question) (out string, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	name, text := q.Key, q.Template
	if name == "" {
		name = "t"
	}
	if q.Template64 != nil {
		text = string(q.Template64)
	}
	data := map[string]string{}
	maps.Copy(data, q.Data)
	for key, value := range q.Data64 {
		data[key] = string(value)
	}
	t := template.New(name)
	if q.MissingKey != "" {
		t = t.Option("missingkey=" + q.MissingKey)
	}
	t, err = t.Funcs(functions()).Delims(q.Left, q.Right).Parse(text)
	if err != nil {
		return "", err
	}
	var w boundedWriter
	if err := t.Execute(&w, data); err != nil {
		return "", err
	}
	return w.String(), nil
}

// The runtime cannot stop a goroutine: one that runs too long is left behind.
func reply(q question) answer {
	said := answer{ID: q.ID}
	if q.Op == "functions" {
		said.OK = true
		said.Names = slices.Sorted(maps.Keys(functions()))
		return said
	}
	done := make(chan answer, 1)
	go func() {
		for range max(q.Repeat, 1) - 1 {
			render(q)
		}
		out, err := render(q)
		if err != nil {
			done <- answer{ID: q.ID, Error: err.Error()}
			return
		}
		done <- answer{ID: q.ID, OK: true, Out: []byte(out)}
	}()
	select {
	case said = <-done:
	case <-time.After(patience):
		said.Error = "oracle: no answer in time"
	}
	return said
}

func main() {
	time.Local = time.UTC
	debug.SetMemoryLimit(memoryLimit)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, "template-oracle: not a question:", err)
			os.Exit(1)
		}
		if err := encoder.Encode(reply(q)); err != nil {
			os.Exit(1)
		}
		// Interactive use sees each answer at once.
		out.Flush()
	}
}
