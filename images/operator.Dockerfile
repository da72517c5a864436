# The operator's image by a container engine; `cluster/dev image operator` makes the same without one.
# The root is Debian's essential system:  cluster/dev image root, then load what it names.
#   docker build --file images/operator.Dockerfile --tag localhost/orlop-operator:dev .
FROM localhost/orlop-root:dev AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
COPY . /src
# All as the locks have it, what builds included: pip takes nothing whose hash they do not name.
RUN pip install --no-cache-dir --break-system-packages --require-hashes --requirement=/src/images/build.lock \
 && pip install --root=/out --no-cache-dir --break-system-packages --no-deps --no-build-isolation \
    --require-hashes --requirement=/src/images/operator.lock \
 && pip install --root=/out --no-cache-dir --break-system-packages --no-deps --no-build-isolation /src

FROM localhost/orlop-root:dev
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /out/usr/local /usr/local
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/orlop-operator"]
