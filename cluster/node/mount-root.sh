# Sourced by scripts that change a root made of layers ($lower, $upper, $work, at $root; $scratch is /tmp/scratch
# in it). They run in mount and pid namespaces of their own, so that mounts and processes end with them.
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/tmp/scratch"
mount --bind "$scratch" "$root/tmp/scratch"

in_root() { # COMMAND...
  chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin "$@"
}
