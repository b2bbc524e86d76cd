package main

// Pins the libraries of the functions for keys and certificates.
import (
	_ "github.com/lestrrat-go/jwx/v2/jwk"
	_ "software.sslmate.com/src/go-pkcs12"
)
