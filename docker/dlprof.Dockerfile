# DLProf, in the last image that has it: NVIDIA's PyTorch 21.12 (PyTorch 1.11, Python 3.8). detbench
# itself needs a newer Python, so mode dlprof trains with one file that runs here.
# `detbench build FAMILY --dlprof` builds it.
ARG BASE_IMAGE=nvcr.io/nvidia/pytorch:21.12-py3
FROM ${BASE_IMAGE}
COPY benchmarks/dlprof_train.py /opt/detbench/
RUN mkdir -p /home/detbench /scratch && chmod 1777 /home/detbench /scratch
ENV HOME=/home/detbench PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
CMD ["bash"]
