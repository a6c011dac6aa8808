//go:build tools

// Package tools pins the Kubo version that tests run against; tools/nodes builds it.
package tools

import _ "github.com/ipfs/kubo/cmd/ipfs"
