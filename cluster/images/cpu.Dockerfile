# Head, drivers and CPU workers: everything the project depends on, and nothing of the project itself.
#   docker build -f cluster/images/cpu.Dockerfile -t YOUR-REGISTRY/ballast-cpu:2.60.0 .
# All nodes of a Ray cluster run one Python and one Ray: raise both images together.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM python:3.11.14-slim-bookworm
COPY --from=uv /uv /usr/local/bin/uv

# A compiler, since DeepSpeed builds one op for the very CPU it runs on (so it cannot be built here); wget, which KubeRay's
# probes call; ssh and rsync, by which the launcher's head reaches its workers.
# Debian keeps only the newest version of a package, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ openssh-client rsync wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/ballast
COPY pyproject.toml constraints-cpu.txt ./
# Ray itself fetches the job's code from a bucket: s3:// with boto3 and smart-open, gs:// with what `remote` brings.
RUN uv pip install --system --no-cache --compile-bytecode --torch-backend cpu -c constraints-cpu.txt \
        -r pyproject.toml --extra cpu --extra remote --extra utility boto3 smart-open

# 1000 is also the first user of the launcher's machines, whose token file this user has to read.
ENV HOME=/home/ballast PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0
RUN useradd --no-log-init --create-home --uid 1000 --shell /bin/bash ballast
USER 1000
WORKDIR /home/ballast
