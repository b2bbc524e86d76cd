//go:build tools

// Package tools makes "go mod tidy" keep the module that the program below is built from.
package tools

import _ "github.com/Shopify/toxiproxy/v2/cmd/server"
