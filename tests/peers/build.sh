#!/bin/sh
# Builds the real etcd 3.7.1 programs, and ours on its packages, into tests/peers/bin.
# Versions are pinned by go.mod and go.sum (old/ holds etcd 3.6); Go's own cache makes a second run cheap.
set -eu
cd "$(dirname "$0")"
export CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off
build() { go build -trimpath -o "bin/$1" "$2"; }
mkdir -p bin
build etcd go.etcd.io/etcd/server/v3
build etcdctl go.etcd.io/etcd/etcdctl/v3
build etcdutl go.etcd.io/etcd/etcdutl/v3
build conformance ./conformance
build waldump ./waldump
build permissions ./permissions
# The release line before, a module of its own: one build cannot hold two of one path.
(cd old && go build -trimpath -o ../bin/etcd-3.6 go.etcd.io/etcd/server/v3)
if [ "${1:-}" = all ]; then build benchmark go.etcd.io/etcd/v3/tools/benchmark; fi
touch bin/.built
