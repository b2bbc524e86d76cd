package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"strings"
	"text/template"

	"golang.org/x/crypto/bcrypt"
	"sigs.k8s.io/yaml"

	"nodekeep/tests/tools/template-oracle/sprig"
)

// The functions that External Secrets adds to sprig's. Each group is written here anew from its
// described behaviour, over the libraries that External Secrets uses.
func ownFunctions() template.FuncMap {
	own := template.FuncMap{
		"toYaml":   toYaml,
		"fromYaml": fromYaml,
		"hexdec":   hexdec,
		"htpasswd": htpasswd,
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

// Takes the algorithm, too, unlike sprig's. Its type has a name, so that only a constant fits.
func htpasswd(user, password string, algorithm sprig.HashAlgorithm) string {
	if strings.Contains(user, ":") {
		return "invalid username: " + user
	}
	if algorithm == "sha" {
		sum := sha1.Sum([]byte(password))
		return user + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
	}
	hashed, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return user + ":failed to encrypt string with bcrypt: " + err.Error()
	}
	return user + ":" + string(hashed)
}
