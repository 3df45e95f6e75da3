// Names the programs that scripts/reference.mjs builds to compare MetaStore with, so that go.mod
// keeps their modules. Never compiled into anything of ours.

//go:build tools

package reference

import (
	_ "go.etcd.io/bbolt/cmd/bbolt"
	_ "go.etcd.io/etcd/etcdctl/v3"
	_ "go.etcd.io/etcd/etcdutl/v3"
	_ "go.etcd.io/etcd/server/v3"
)
