package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"strings"
	"text/template"

	"github.com/lestrrat-go/jwx/v2/jwk"
	"software.sslmate.com/src/go-pkcs12"
)

// The functions for keys and certificates.
func keyFunctions() template.FuncMap {
	return template.FuncMap{
		"pkcs12key":      func(file string) (string, error) { return keyOfFile("", file) },
		"pkcs12keyPass":  keyOfFile,
		"pkcs12cert":     func(file string) (string, error) { return certificatesOfFile("", file) },
		"pkcs12certPass": certificatesOfFile,
		"pemToPkcs12": func(certificate, key string) (string, error) {
			return fileOf(certificate, key, "")
		},
		"pemToPkcs12Pass": fileOf,
		"fullPemToPkcs12": func(chain, key string) (string, error) {
			return fullFileOf(chain, key, "")
		},
		"fullPemToPkcs12Pass": fullFileOf,
		"pemTruststoreToPKCS12": func(certificates string) (string, error) {
			return trustStoreOf(certificates, "")
		},
		"pemTruststoreToPKCS12Pass": trustStoreOf,
		"filterPEM":                 filterPEM,
		"filterCertChain":           filterCertChain,
		"certSANs":                  certSANs,
		"jwkPublicKeyPem":           jwkPublicKeyPem,
		"jwkPrivateKeyPem":          jwkPrivateKeyPem,
		"rsaDecrypt":                rsaDecrypt,
	}
}

func parsePrivateKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("unable to parse private key type")
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pemOfAll(certificates []*x509.Certificate) string {
	text := ""
	for _, certificate := range certificates {
		text += pemOf("CERTIFICATE", certificate.Raw)
	}
	return text
}

func keyOfFile(password, file string) (string, error) {
	key, _, _, err := pkcs12.DecodeChain([]byte(file), password)
	if err != nil {
		return "", fmt.Errorf("unable to decode pkcs12 with password: %s", err)
	}
	return privateKeyPem(key)
}

func privateKeyPem(key any) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return pemOf("PRIVATE KEY", der), nil
}

func certificatesOfFile(password, file string) (string, error) {
	_, leaf, others, err := pkcs12.DecodeChain([]byte(file), password)
	if err != nil {
		return "", fmt.Errorf("unable to decode pkcs12 certificate with password: %s", err)
	}
	all := append([]*x509.Certificate{leaf}, others...)
	// Certificates that form no chain stay in the order of the file.
	if ordered, err := chainOf(all); err == nil {
		all = ordered
	}
	return pemOfAll(all), nil
}

// Orders certificates from the leaf to the root by their key identifiers.
func chainOf(certificates []*x509.Certificate) ([]*x509.Certificate, error) {
	issuer := map[int]int{}
	issues := map[int]bool{}
	for child := range certificates {
		for parent := range certificates {
			if child != parent && bytes.Equal(certificates[child].AuthorityKeyId, certificates[parent].SubjectKeyId) {
				issuer[child] = parent
				issues[parent] = true
				break
			}
		}
	}
	leaf := -1
	for number := range certificates {
		if issues[number] {
			continue
		}
		if leaf >= 0 {
			return nil, errors.New("found multiple leaf or disjunct certificates")
		}
		leaf = number
	}
	if leaf < 0 {
		return nil, errors.New("no leaf certificate found")
	}
	var ordered []*x509.Certificate
	for next, found := leaf, true; found; {
		if len(ordered) == len(certificates) {
			return nil, errors.New("constructing chain resulted in cycle")
		}
		ordered = append(ordered, certificates[next])
		next, found = issuer[next]
	}
	return ordered, nil
}

func isRoot(certificate *x509.Certificate) bool {
	return certificate.AuthorityKeyId == nil ||
		bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId)
}

func filterCertChain(which, text string) (string, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", err
		}
		all = append(all, certificate)
	}
	chain, err := chainOf(all)
	if err != nil {
		return "", err
	}
	return partOf(which, chain), nil
}

func partOf(which string, chain []*x509.Certificate) string {
	last := len(chain) - 1
	switch which {
	case "leaf":
		if !isRoot(chain[0]) {
			return pemOfAll(chain[:1])
		}
	case "root":
		if isRoot(chain[last]) {
			return pemOfAll(chain[last:])
		}
	case "intermediate":
		end := 1
		for end <= last && !isRoot(chain[end]) {
			end++
		}
		return pemOfAll(chain[1:end])
	}
	return ""
}

// Every block of a text that holds nothing else; other text is a nil dereference, as upstream.
func certificatesOf(rest []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for len(rest) > 0 {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	return all, nil
}

func fileOf(certificate, key, password string) (string, error) {
	block, _ := pem.Decode([]byte(certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	return encodeFile(leaf, nil, key, password)
}

func fullFileOf(chain, key, password string) (string, error) {
	block, rest := pem.Decode([]byte(chain))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	others, err := certificatesOf(rest)
	if err != nil {
		return "", err
	}
	return encodeFile(leaf, others, key, password)
}

func encodeFile(leaf *x509.Certificate, others []*x509.Certificate, key, password string) (string, error) {
	block, _ := pem.Decode([]byte(key))
	private, err := parsePrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	file, err := pkcs12.Modern.Encode(private, leaf, others, password)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(file), nil
}

func trustStoreOf(certificates, password string) (string, error) {
	all, err := certificatesOf([]byte(certificates))
	if err != nil {
		return "", err
	}
	file, err := pkcs12.Modern.EncodeTrustStore(all, password)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(file), nil
}

func filterPEM(kind, text string) (string, error) {
	rest := []byte(text)
	result := ""
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if strings.EqualFold(block.Type, kind) {
			result += string(pem.EncodeToMemory(block))
		}
	}
	if result == "" && len(rest) != 0 {
		return "", errors.New("error filtering pem: found junk")
	}
	return result, nil
}

func certSANs(text string) ([]string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("failed to decode PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("failed to parse certificate: %w", err)
	}
	names := append([]string{}, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	names = append(names, certificate.EmailAddresses...)
	for _, uri := range certificate.URIs {
		names = append(names, uri.String())
	}
	return names, nil
}

func rawKey(text string) (any, error) {
	key, err := jwk.ParseKey([]byte(text))
	if err != nil {
		return nil, err
	}
	var raw any
	if err := key.Raw(&raw); err != nil {
		return nil, err
	}
	return raw, nil
}

func jwkPublicKeyPem(text string) (string, error) {
	raw, err := rawKey(text)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKIXPublicKey(raw)
	if err != nil {
		return "", err
	}
	return pemOf("PUBLIC KEY", der), nil
}

func jwkPrivateKeyPem(text string) (string, error) {
	raw, err := rawKey(text)
	if err != nil {
		return "", err
	}
	return privateKeyPem(raw)
}

func hashOf(name string) hash.Hash {
	switch name {
	case "SHA1":
		return sha1.New()
	case "SHA512":
		return sha512.New()
	}
	return sha256.New()
}

func rsaDecrypt(scheme, hashName, text, key string) (string, error) {
	if scheme == "None" {
		return text, nil
	}
	if scheme != "RSA-OAEP" {
		return "", fmt.Errorf("decryption scheme %v is not supported", scheme)
	}
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return "", errors.New("failed to decode PEM block")
	}
	private, err := parsePrivateKey(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("could not parse private key: %w", err)
	}
	rsaKey, ok := private.(*rsa.PrivateKey)
	if !ok {
		return "", errors.New("could not parse RSA private key")
	}
	plain, err := rsa.DecryptOAEP(hashOf(hashName), nil, rsaKey, []byte(text), nil)
	if err != nil {
		return "", fmt.Errorf("error decrypting data with RSA: %w", err)
	}
	return string(plain), nil
}
