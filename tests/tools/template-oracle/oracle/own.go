package main

import (
	"encoding/hex"
	"maps"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

// The functions that External Secrets adds to sprig's. Each group is written here anew from its
// described behaviour, over the libraries that External Secrets uses.
func ownFunctions() template.FuncMap {
	own := template.FuncMap{
		"toYaml":   toYaml,
		"fromYaml": fromYaml,
		"hexdec":   hexdec,
	}
	maps.Copy(own, keyFunctions())
	return own
}

func toYaml(value any) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func fromYaml(text string) map[string]any {
	result := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &result); err != nil {
		result["Error"] = err.Error()
	}
	return result
}

func hexdec(text string) string {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	return string(decoded)
}
