//go:build tools

// Package tools makes "go mod tidy" keep the module that the program below is built from.
package tools

import _ "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
