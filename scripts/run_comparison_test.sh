#!/bin/sh
# Runs the five load scenarios of the founding reports on the memory engine and on rocksdb, one after
# the other, and writes one report with tables and charts under bench/reports. Run `npm run build`
# first. `--engines=etcd,memory,rocksdb` puts the etcd that METASTORE_ETCD names beside them.
#
#   scripts/run_comparison_test.sh [--rounds=1] [--scale=1] [--engines=memory,rocksdb]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
"$here/bench/load/native/compile"
exec node --no-warnings "$here/dist/bench/load/scenarios.js" --name=scenarios "$@"
