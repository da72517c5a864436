#!/bin/bash
# Turns a Debian root into a kind node:  assemble.sh UPPER WORK LOWER ROOT SCRATCH KIND_BASE FILES VERSION
# UPPER receives what differs from the layers in LOWER. The order follows the Dockerfile of kind's base image.
set -euo pipefail
upper=$1 work=$2 lower=$3 root=$4 scratch=$5 kind_base=$6 files=$7 version=$8
. "$files/../mount-root.sh"

# The tools layer, for kube-proxy and podnet: a few programs of this root with the libraries they load.
tools=$scratch/tools
mkdir -p "$tools"/{usr/bin,usr/sbin,usr/local/bin,etc,tmp,run}
for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$tools/$directory"; done
{
for name in bash cat chroot cut date env grep head id ip iptables-nft mkdir mv nft nsenter ping ps sed sleep sysctl \
    tail timeout uname xtables-nft-multi conntrack; do
  program=$(in_root which "$name")
  program=$(in_root readlink -f "$(dirname "$program")")/$name
  cp -L "$root$program" "$tools$program"
  in_root ldd "$program" 2> /dev/null | grep -oE '/[^ ]+' || true
done
# What iptables loads by itself: without libm its `statistic` match fails, and with it all of kube-proxy's rules.
for plugin in "$root"/usr/lib/x86_64-linux-gnu/xtables/*.so; do
  in_root ldd "${plugin#"$root"}" | grep -oE '/[^ ]+' || true
done
} | sort -u | while read -r library; do
  library=$(in_root readlink -f "$(dirname "$library")")/${library##*/}
  mkdir -p "$tools$(dirname "$library")"
  cp -L "$root$library" "$tools$library"
done
ln -s bash "$tools/usr/bin/sh"
for family in iptables ip6tables; do
  for part in "" -save -restore; do ln -s xtables-nft-multi "$tools/usr/sbin/$family$part"; done
done
cp -a "$root/usr/lib/x86_64-linux-gnu/xtables" "$tools/usr/lib/x86_64-linux-gnu/"
cp "$files/../podnet" "$tools/usr/local/bin/podnet"
chmod 755 "$tools/usr/local/bin/podnet"

# kind's files, then ours. A Go module carries no modes.
cp -r --no-preserve=mode,ownership "$kind_base/." "$files/." "$root/"
chmod 755 "$root"/kind/bin/* "$root"/usr/local/bin/*
chmod 600 "$root/etc/libvirt/qemu.conf"
cd "$root"
grep -q mask-sysctls usr/local/bin/entrypoint ||
  sed -i "s#^log_info 'starting init'#log_info 'masking the kernel-wide sysctls'\n/kind/bin/mask-sysctls\n&#" usr/local/bin/entrypoint
grep -q mask-sysctls usr/local/bin/entrypoint || { echo "kind's entrypoint has changed: sysctls not masked" >&2; exit 1; }
for program in kubelet kubectl kubeadm; do ln -sf ../local/bin/orlop-kube "usr/bin/$program"; done
for program in containerd ctr containerd-shim-runc-v2; do ln -sf "/usr/bin/$program" "usr/local/bin/$program"; done
mkdir -p opt/cni etc/kubernetes/manifests etc/cni/net.d
ln -sfn /usr/lib/cni opt/cni/bin
printf %s "$version" > kind/version
sed -i -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
  -e 's#registry.k8s.io/pause:3.10"#registry.k8s.io/pause:3.10.1"#' etc/containerd/config.toml

# A container's init: no device manager, no host's sysctls, no kernel log, nothing that starts by itself.
rm -rf usr/lib/sysctl.d/* etc/sysctl.d/99-sysctl.conf etc/sysctl.d/README.sysctl
rm -f lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/* \
  lib/systemd/system/local-fs.target.wants/* lib/systemd/system/sockets.target.wants/*udev* \
  lib/systemd/system/sockets.target.wants/*initctl* lib/systemd/system/basic.target.wants/*
find lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete
echo ReadKMsg=no >> etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd sbin/init
: > etc/machine-id
in_root systemctl -q enable kubelet.service containerd.service undo-mount-hacks.service \
  libvirtd.socket libvirtd.service virtlogd.socket virtlogd.service
in_root systemctl -q mask systemd-binfmt.service libvirt-guests.service
in_root systemd-tmpfiles --create /etc/tmpfiles.d/orlop.conf
# The "default" network's bridge and dnsmasq are nobody's here.
rm -rf etc/libvirt/qemu/networks/*
in_root ctr oci spec |
  in_root jq '.hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
  > etc/containerd/cri-base.json
