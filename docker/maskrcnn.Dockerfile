# Mask R-CNN: detectron2 on the shared base.
ARG BASE=detbench/base
FROM ${BASE}
# git: upstream's commit, compiled with nvcc for these architectures in 10 to 20 minutes; pypi: its
# Python tree alone, in a minute: all that these families train, on a GPU too, as ROIAlign and NMS
# are torchvision's. Volta (7.0) needs a toolkit older than CUDA 13: add it with such a base.
ARG DETECTRON2=git
ARG TORCH_CUDA_ARCH_LIST="7.5;8.0;8.6;8.9;9.0;10.0;12.0+PTX"
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
COPY scripts/install_detectron2.sh /opt/detbench/scripts/
COPY docker/detectron2.lock /opt/detbench/docker/
RUN FORCE_CUDA=1 PIP_CONSTRAINT=/opt/detbench/docker/detectron2.lock \
    bash /opt/detbench/scripts/install_detectron2.sh --source "${DETECTRON2}" --python /opt/venv/bin/python
