module nodekeep/tests/tools/query-oracle

go 1.26.0

require (
	github.com/jmespath/go-jmespath v0.4.0
	github.com/tidwall/gjson v1.18.0
)

require (
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
)
