#!/bin/sh
# Runs the five load scenarios of the founding reports on one engine and writes a report with tables
# and charts under bench/reports. Run `npm run build` first; the generator is built when it is stale.
#
#   scripts/run_load_test.sh [memory|rocksdb] [--rounds=1] [--scale=1] [--name=scenarios-<engine>]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
engine=memory
case ${1-} in
memory | rocksdb | etcd)
  engine=$1
  shift
  ;;
esac
"$here/bench/load/native/compile"
exec node --no-warnings "$here/dist/bench/load/scenarios.js" \
  "--engines=$engine" "--name=scenarios-$engine" "$@"
