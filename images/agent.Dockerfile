# The agent's image by a container engine; `cluster/dev image agent` makes the same without one.
# The root is Debian's essential system:  cluster/dev image root, then load what it names.
#   docker build --file images/agent.Dockerfile --tag localhost/orlop-agent:dev .
FROM localhost/orlop-root:dev AS build
# libvirt-python is compiled against libvirt's headers.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-pip python3-dev gcc pkgconf libvirt-dev
COPY . /src
# All as the locks have it, what builds included: pip takes nothing whose hash they do not name.
RUN pip install --no-cache-dir --break-system-packages --require-hashes --requirement=/src/images/build.lock \
 && pip install --root=/out --no-cache-dir --break-system-packages --no-deps --no-build-isolation \
    --require-hashes --requirement=/src/images/agent.lock \
 && pip install --root=/out --no-cache-dir --break-system-packages --no-deps --no-build-isolation /src

FROM localhost/orlop-root:dev
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
    libvirt0 bubblewrap iproute2 nftables qemu-utils util-linux kmod procps systemd tgt \
    qemu-block-extra python3-rados python3-rbd \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /out/usr/local /usr/local
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
ENTRYPOINT ["/usr/local/bin/orlop-agent"]
