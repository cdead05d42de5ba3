# EfficientDet: effdet on the shared base.
ARG BASE=detbench/base
FROM ${BASE}
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY docker/effdet.lock /opt/detbench/docker/
# hadolint ignore=DL3042
RUN python -m pip install --requirement /opt/detbench/docker/effdet.lock
