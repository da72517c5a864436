#!/bin/sh
# First process of the sealed namespaces:  init.sh PAUSE NAME
# Prepares them, says "ready" and becomes PAUSE, which reaps what is orphaned. No link but loopback exists, so
# nothing has a route to the machine or beyond.
set -eu
pause=$1 name=$2
hostname "$name"
ip link set lo up
# Where `cluster/dev serve` listens: an address that nodes reach through their default route, and guests by NAT.
# 198.18.0.0/15 is set aside for benchmarks (RFC 2544); no network routes it.
ip address add 198.18.0.2/32 dev lo
echo 1 > /proc/sys/net/ipv4/ip_forward

# The machine's cgroup mounts, to be made again below with this cgroup namespace's root.
hierarchies=$(awk '$3 == "cgroup" || $3 == "cgroup2" {print $3, $2, $4}' /proc/mounts | sort -u)

resolver=$(readlink -m /etc/resolv.conf)
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns "${resolver%/*}"
[ -e "$resolver" ] || : > "$resolver"
# Nothing answers there: names of the outside world fail at once.
echo "nameserver 127.0.0.1" > /run/resolv.conf
mount --bind /run/resolv.conf "$resolver"
mount -t tmpfs -o mode=1777 tmpfs /dev/shm

mount -t sysfs sysfs /sys
case "$hierarchies" in
  "cgroup2 /sys/fs/cgroup "*) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
  *)
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    echo "$hierarchies" | while read -r type where options; do
      [ -n "$where" ] || continue
      controller=$(echo "$options" | tr , '\n' | grep -vxE 'rw|ro|nosuid|nodev|noexec|relatime|nsdelegate|xattr|seclabel' | paste -sd, -)
      mkdir -p "$where"
      mount -t "$type" ${controller:+-o "$controller"} "$type" "$where"
    done
    ;;
esac

# kind mounts /lib/modules into the nodes, so it has to be there; the machine's own /usr/lib stays as it is.
if [ ! -e /lib/modules ]; then
  mkdir -p /run/lib/modules
  mount -t overlay -o lowerdir=/run/lib:/usr/lib overlay /usr/lib
fi
echo ready
exec "$pause" > /dev/null
