# The base of every family's image: OS packages, profilers, and Python with the pinned torch.
# `detbench build FAMILY` builds it first, then the family's own file, then suite.Dockerfile.
#
# BASE_IMAGE: a CUDA image with nvcc and cuDNN for GPUs; for the CPU any Debian or Ubuntu image.
ARG BASE_IMAGE=nvidia/cuda:13.0.1-cudnn-devel-ubuntu24.04
FROM ${BASE_IMAGE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive

# The base image determines the versions of OS packages; everything that measures is pinned below.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends \
      build-essential ca-certificates git libgl1 libglib2.0-0 ninja-build \
      python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

# An empty folder, or the certificates of a company's proxy (`--extra-ca FILE`).
COPY docker/certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt

COPY scripts/install_profilers.sh /opt/detbench/scripts/
ARG PROFILERS="nsys ncu nvprof"
RUN bash /opt/detbench/scripts/install_profilers.sh ${PROFILERS}

# TORCH=image keeps the torch of BASE_IMAGE, such as one of NVIDIA's PyTorch images.
COPY docker/base.lock /opt/detbench/docker/
ARG TORCH=pinned
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PATH=/opt/venv/bin:${PATH} PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3013,DL3042
RUN if [ "${TORCH}" = image ]; then \
      python3 -m venv --system-site-packages /opt/venv; \
    else \
      python3 -m venv /opt/venv \
      && python -m pip install --requirement /opt/detbench/docker/base.lock; \
    fi \
 && python -W ignore -c 'import torch, torchvision; print("torch", torch.__version__)'
