module nodekeep/tests/tools/openbao

go 1.26.0

// OpenBao 2.4.0 by its commit: the module itself was never tagged with its version.
require (
	github.com/openbao/openbao v0.0.0-20250828202315-f9407a27fbee
	github.com/openbao/openbao/api/v2 v2.4.0
	github.com/openbao/openbao/sdk/v2 v2.4.0
)

// The versions that its own go.mod asks for were never tagged.
replace (
	github.com/openbao/openbao/api/auth/approle/v2 => github.com/openbao/openbao/api/auth/approle/v2 v2.4.0
	github.com/openbao/openbao/api/auth/userpass/v2 => github.com/openbao/openbao/api/auth/userpass/v2 v2.6.0
)
