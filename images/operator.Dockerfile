# The operator's image by a container engine; `cluster/dev image operator` makes the same without one.
# The root is Debian's essential system:  cluster/dev image root, then load what it names.
#   docker build --file images/operator.Dockerfile --tag localhost/orlop-operator:dev .
FROM localhost/orlop-root:dev AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
COPY . /src
# The lock's versions with their markers, without its hashes: those are for installing all of it.
RUN sed -nE 's/^([a-z0-9._-]+==[^\\]*[^\\ ]) *\\?$/\1/p' /src/requirements.lock > /pins.txt \
 && pip install --root=/out --no-cache-dir --break-system-packages --constraint=/pins.txt "/src[operator]"

FROM localhost/orlop-root:dev
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY --from=build /out/usr/local /usr/local
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/orlop-operator"]
