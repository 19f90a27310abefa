# The container image: docs/container.md says how to get, run and build it.

# To pin it further: --build-arg BASE=debian:bookworm-slim@sha256:...
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG DEBIAN_FRONTEND=noninteractive
# A host's own settings (a proxy, say) come as a secret, so that no layer has them.
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf \
    apt-get update -qq \
    && apt-get install -qq --no-install-recommends gcc libc6-dev python3-dev python3-pip >/dev/null
WORKDIR /build
# Wheels that were fetched before need no package index in the build. Where there are none, pip fetches the same.
COPY requirements.lock build/wheels/bookworm* wheels/
RUN if ls wheels/*.whl >/dev/null 2>&1; then set -- --no-index --find-links wheels; fi \
    && python3 -m pip install "$@" --quiet --root-user-action ignore --require-hashes --only-binary :all: --no-compile \
        --target /opt/chat-server/lib --requirement wheels/requirements.lock \
    && find /opt/chat-server/lib -type d \( -name bin -o -name tests \) -prune -exec rm -r {} +
COPY packaging/launcher launcher
RUN gcc -O2 -Wall -fPIE -pie -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now \
        $(python3-config --includes) launcher/chat-server.c $(python3-config --embed --ldflags) \
        -o /opt/chat-server/chat-server
COPY service/chat_server /opt/chat-server/lib/chat_server
# The root file system is read-only when it runs: what Python would cache on first use is cached now.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/chat-server/lib

FROM ${BASE}
ARG DEBIAN_FRONTEND=noninteractive
RUN --mount=type=secret,id=apt.conf,target=/etc/apt/apt.conf \
    apt-get update -qq \
    && apt-get install -qq --no-install-recommends libpython3.11 >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log \
    && groupadd --gid 10001 chat-server \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/chat-server --no-create-home --shell /usr/sbin/nologin \
        chat-server \
    && install -d -o chat-server -g chat-server -m 0700 /var/lib/chat-server /var/backups/chat-server \
    && ln -s /opt/chat-server/chat-server /usr/local/bin/chat-server
COPY --from=build /opt/chat-server /opt/chat-server
COPY LICENSE packaging/container/config.toml /opt/chat-server/

ARG VERSION=unreleased
LABEL org.opencontainers.image.title="chat-server" \
    org.opencontainers.image.description="A private chat for two people at a time, on a machine of your own" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="debian:bookworm-slim"

# By number, so that an orchestrator that demands a user other than root can see that it is one.
USER 10001:10001
VOLUME /var/lib/chat-server /var/backups/chat-server
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["/opt/chat-server/chat-server", "healthcheck"]
ENTRYPOINT ["/opt/chat-server/chat-server"]
CMD ["serve", "--create-secret"]
