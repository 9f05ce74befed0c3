# One small image a service, one with the command line, and one with the demo's workload:
#
#   docker build --target collector -t phasegate/collector .
#   docker build --target analyzer  -t phasegate/analyzer .
#   docker build --target reporter  -t phasegate/reporter .     (see REPORTER_PACKAGES below)
#   docker build --target phasegate -t phasegate/phasegate .
#   docker build --target demo      -t phasegate/demo .
#
# All run as user 65532, keep their files under /data and listen on all addresses of the container, so they
# start only with PHASEGATE_TOKENS set; docker-compose.yml does that.
#
# Programs that were built outside go in with `--build-arg BINARIES=prebuilt --build-arg DEMO=prebuilt`, from
# target/images; .ci/containers does that.

ARG RUST_VERSION=1.95
ARG BINARIES=build
ARG DEMO=build-demo
ARG PREBUILT=target/images/new

FROM rust:${RUST_VERSION}-slim-bookworm AS build
# `optimized` builds faster, `dist` (thin LTO, stripped) smaller.
ARG PROFILE=dist
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile "${PROFILE}" --bins --no-default-features \
        -p collector-svc -p analyzer-svc -p reporter-svc -p phasegate \
    && mkdir -p /out/bin /out/empty \
    && for binary in collector-svc analyzer-svc reporter-svc phasegate; do \
           cp "target/${PROFILE}/${binary}" /out/bin/; \
       done

FROM build AS build-demo
ARG PROFILE=dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --profile "${PROFILE}" -p phasegate \
    && cp "target/${PROFILE}/phasegate" /out/bin/phasegate-demo

FROM scratch AS prebuilt
ARG PREBUILT
COPY ${PREBUILT} /out

FROM ${BINARIES} AS binaries
FROM ${DEMO} AS demo-binary

# C library and root certificates, no shell.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
WORKDIR /app
COPY governance /app/governance
COPY templates /app/templates
COPY --from=binaries --chown=65532:65532 /out/empty /data
ENV PHASEGATE_DATA_DIR=/data \
    PHASEGATE_POLICY=/app/governance/policy.yaml \
    PHASEGATE_LOG=json
VOLUME /data
USER 65532:65532

FROM runtime AS collector
COPY --from=binaries /out/bin/collector-svc /usr/local/bin/collector-svc
ENV PHASEGATE_COLLECTOR_LISTEN=0.0.0.0:7101
EXPOSE 7101
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/collector-svc", "--check-health"]
ENTRYPOINT ["/usr/local/bin/collector-svc"]

FROM runtime AS analyzer
COPY --from=binaries /out/bin/analyzer-svc /usr/local/bin/analyzer-svc
ENV PHASEGATE_ANALYZER_LISTEN=0.0.0.0:7102
EXPOSE 7102
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/analyzer-svc", "--check-health"]
ENTRYPOINT ["/usr/local/bin/analyzer-svc"]

# The reporter runs the policy's commands, so it has a system around it: a shell, and whatever the commands
# need, e.g. --build-arg REPORTER_PACKAGES="nodejs npm". tini reaps what a command leaves behind.
FROM debian:bookworm-slim AS reporter
ARG REPORTER_PACKAGES=""
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini ${REPORTER_PACKAGES} \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && groupadd --gid 65532 phasegate \
    && useradd --uid 65532 --gid 65532 --create-home --shell /usr/sbin/nologin phasegate
WORKDIR /app
COPY governance /app/governance
COPY templates /app/templates
COPY --from=binaries --chown=65532:65532 /out/empty /data
# Where a flag file of flagd may stand: a volume that is mounted here belongs to the reporter.
COPY --from=binaries --chown=65532:65532 /out/empty /flags
COPY --from=binaries /out/bin/reporter-svc /usr/local/bin/reporter-svc
ENV PHASEGATE_DATA_DIR=/data \
    PHASEGATE_POLICY=/app/governance/policy.yaml \
    PHASEGATE_LOG=json \
    PHASEGATE_REPORTER_LISTEN=0.0.0.0:7103
VOLUME /data
USER 65532:65532
EXPOSE 7103
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/reporter-svc", "--check-health"]
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/reporter-svc"]

# The command line; it ends by itself, so there is no health to check.
FROM runtime AS phasegate
COPY --from=binaries /out/bin/phasegate /usr/local/bin/phasegate
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/phasegate"]

# The demo's workload, for the compose profile `demo`; no service image has it.
FROM runtime AS demo
COPY --from=demo-binary /out/bin/phasegate-demo /usr/local/bin/phasegate
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/phasegate", "demo-app", "--dir", "/data", "--flag-file", "/flags/flags.json"]
