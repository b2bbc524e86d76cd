// Package sprig has a type of External Secrets' sprig that the released sprig lacks; errors show the name of its package.
package sprig

type HashAlgorithm string
