// The proxy-oracle tells which proxy Go uses. Each line of the input is {"env":{...},"url":"..."}; its answer is a line with
// the proxy's URL without credentials, "direct", or "error".
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"golang.org/x/net/http/httpproxy"
)

type question struct {
	Env map[string]string `json:"env"`
	URL string            `json:"url"`
}

func answer(asked question) string {
	os.Clearenv()
	for name, value := range asked.Env {
		if err := os.Setenv(name, value); err != nil {
			return "error"
		}
	}
	target, err := url.Parse(asked.URL)
	if err != nil {
		return "error"
	}
	proxy, err := httpproxy.FromEnvironment().ProxyFunc()(target)
	if err != nil {
		return "error"
	}
	if proxy == nil {
		return "direct"
	}
	return proxy.Scheme + "://" + proxy.Host
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(answer(asked))
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
