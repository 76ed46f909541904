# GPU workers: everything the project depends on, and nothing of the project itself.
#   docker build -f cluster/images/gpu.Dockerfile -t YOUR-REGISTRY/ballast-gpu:2.60.0 .
# All nodes of a Ray cluster run one Python and one Ray: raise both images together.
FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

# `devel`, for its nvcc: DeepSpeed compiles optimizers that are offloaded to the host, and Triton and FlashInfer kernels, on
# first use. Its CUDA is the one torch is built with; the driver (580 or newer) is the machine's.
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04
COPY --from=uv /uv /usr/local/bin/uv

# g++ for the same compilers; wget, which KubeRay's probes call; rsync, by which the launcher's head reaches its workers.
# Ubuntu keeps only the newest version of a package, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates g++ rsync wget \
    && rm -rf /var/lib/apt/lists/*

# Ubuntu's own Python is another than the head's. A login shell, which is what starts Ray, sets PATH anew: hence the profile.
ENV UV_PYTHON_INSTALL_DIR=/opt/python VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN uv venv --managed-python --python 3.11.14 /opt/venv \
    && echo "export PATH=/opt/venv/bin:\$PATH" > /etc/profile.d/ballast.sh

WORKDIR /opt/ballast
COPY pyproject.toml constraints-gpu.txt ./
# Ray itself fetches the job's code from a bucket: s3:// with boto3 and smart-open, gs:// with what `remote` brings.
RUN uv pip install --no-cache --compile-bytecode -c constraints-gpu.txt \
        -r pyproject.toml --extra gpu --extra remote --extra utility boto3 smart-open

# 1000 is also the first user of the launcher's machines, whose token file this user has to read; Ubuntu gave it away.
ENV HOME=/home/ballast PYTHONUNBUFFERED=1 RAY_USAGE_STATS_ENABLED=0
RUN userdel --remove ubuntu \
    && useradd --no-log-init --create-home --uid 1000 --shell /bin/bash ballast
USER 1000
WORKDIR /home/ballast
