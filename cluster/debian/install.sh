#!/bin/sh
# Installs Debian packages in an overlay: install.sh UPPER WORK LOWER ROOT PACKAGE...
# Runs in a mount namespace of its own, so that its mounts end with it, whatever happens.
set -eu
upper=$1 work=$2 lower=$3 root=$4
shift 4
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
for scratch in run tmp var/cache/apt var/lib/apt/lists; do mount -t tmpfs tmpfs "$root/$scratch"; done
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"

# No package starts a service while it is installed: policy-rc.d, see invoke-rc.d(8).
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$root" apt-get -q update
chroot "$root" apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=false install "$@"

cd "$root"
rm -f usr/sbin/policy-rc.d var/log/dpkg.log var/log/alternatives.log var/log/apt/* var/lib/dpkg/*-old \
  var/cache/ldconfig/aux-cache
