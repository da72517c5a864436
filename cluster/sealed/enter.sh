#!/bin/sh
# Makes the sealed namespaces:  enter.sh CGROUP_FILES... -- INIT PAUSE
# Joins the cluster's own cgroups, then unshares; what runs inside sees them as the root of the hierarchy.
set -eu
while [ "$1" != -- ]; do
  echo $$ > "$1"
  shift
done
shift
# --kill-child: the namespaces' first process dies with this one, and all others with that.
exec unshare --net --mount --ipc --uts --cgroup --pid --fork --kill-child --mount-proc --propagation slave \
  -- sh "$@"
