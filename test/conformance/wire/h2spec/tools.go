// Names the conformance tester of HTTP/2 servers that scripts/reference.mjs builds, so that go.mod
// keeps its module. Apart from the reference server, whose own versions it must not change.

//go:build tools

package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
