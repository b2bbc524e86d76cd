//go:build tools

// Package tools makes "go mod tidy" keep the module that the program below is built from.
package tools

import _ "sigs.k8s.io/secrets-store-csi-driver/cmd/secrets-store-csi-driver"
