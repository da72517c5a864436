#!/bin/bash
# Puts images into the containerd store of a root:  preload.sh UPPER WORK LOWER ROOT SCRATCH
# containerd runs once in the root; kind does the same when it builds its node image. The images stay packed
# (--no-unpack): their layers are unpacked on the node's own disk, which an image cannot hold.
set -euo pipefail
upper=$1 work=$2 lower=$3 root=$4 scratch=$5
. "$(dirname "$0")/mount-root.sh"
cat > "$root/tmp/containerd.toml" <<'EOF'
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
EOF
rm -rf "$root/var/lib/containerd"
# Not by in_root: $! is to be containerd itself, which has to be gone before its store is touched.
chroot "$root" /usr/bin/containerd -c /tmp/containerd.toml > "$scratch/containerd.log" 2>&1 &
containerd=$!
for _ in $(seq 100); do
  [ -S "$root/run/containerd/containerd.sock" ] && break
  sleep 0.1
done
in_root ctr -n k8s.io images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack --digests \
  /tmp/scratch/preload.tar
kill "$containerd"
wait "$containerd" || true

# The blobs go where the image stays read-only, with links in their place: podman copies /var of the image into a
# volume for every node, and the links are copied faster.
blobs=$root/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256
mkdir -p "$root/kind/blobs"
for blob in "$blobs"/*; do
  mv "$blob" "$root/kind/blobs/"
  ln -s "/kind/blobs/${blob##*/}" "$blob"
done
