// Answers questions about gjson paths and JMESPath expressions with tidwall/gjson and go-jmespath
// themselves: one JSON object per line of standard input, one per line of standard output.
//
//	{"id":1,"op":"gjson","json64":"...","path":"a.b"}
//	{"id":1,"ok":true,"exists":true,"value64":"...","raw64":"..."}
//	{"id":1,"op":"jmespath","json64":"...","path":"a.b"}
//	{"id":1,"ok":true,"kind":"text","value64":"..."}
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/jmespath/go-jmespath"
	"github.com/tidwall/gjson"
)

type question struct {
	ID     json.RawMessage `json:"id"`
	Op     string          `json:"op"`
	JSON   string          `json:"json"`
	JSON64 []byte          `json:"json64"`
	Path   string          `json:"path"`
}

type answer struct {
	ID     json.RawMessage `json:"id"`
	OK     bool            `json:"ok"`
	Error  string          `json:"error,omitempty"`
	Exists bool            `json:"exists"`
	Value  []byte          `json:"value64"`
	Raw    []byte          `json:"raw64"`
	Kind   string          `json:"kind,omitempty"`
}

func search(said *answer, text, expression string) {
	var document any
	err := json.Unmarshal([]byte(text), &document)
	if err == nil {
		document, err = jmespath.Search(expression, document)
	}
	if err != nil {
		said.Error = err.Error()
		return
	}
	said.OK = true
	switch found := document.(type) {
	case nil:
		said.Kind = "null"
	case string:
		said.Kind = "text"
		said.Value = []byte(found)
	default:
		said.Kind = "other"
	}
}

func reply(q question) (said answer) {
	said = answer{ID: q.ID, Value: []byte{}, Raw: []byte{}}
	defer func() {
		if fault := recover(); fault != nil {
			said.OK = false
			said.Error = fmt.Sprint("panic: ", fault)
		}
	}()
	text := q.JSON
	if q.JSON64 != nil {
		text = string(q.JSON64)
	}
	if q.Op == "jmespath" {
		search(&said, text, q.Path)
		return said
	}
	result := gjson.Get(text, q.Path)
	said.OK = true
	said.Exists = result.Exists()
	said.Value = []byte(result.String())
	said.Raw = []byte(result.Raw)
	return said
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, "query-oracle: not a question:", err)
			os.Exit(1)
		}
		if err := encoder.Encode(reply(q)); err != nil {
			os.Exit(1)
		}
	}
	out.Flush()
}
