#!/bin/sh
# Called by mmdebstrap with the root directory when every package is installed: what makes an image of it.
set -e
root=$1

rm -f "$root"/etc/apt/sources.list.d/* "$root"/etc/ssh/ssh_host_* "$root"/var/log/*.log "$root"/var/log/apt/*
# No mirror is named: this guest is for networks without a way out, and cloud-init can name one.
: >"$root/etc/apt/sources.list"

# Each guest makes its own, at its first boot (machine-id(5): "First Boot Semantics").
echo uninitialized >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"
echo debian >"$root/etc/hostname"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"

chroot "$root" systemctl enable --quiet systemd-networkd
chroot "$root" systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer
