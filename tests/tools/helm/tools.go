//go:build tools

// Package tools makes "go mod tidy" keep the module that the program below is built from.
package tools

import _ "helm.sh/helm/v3/cmd/helm"
