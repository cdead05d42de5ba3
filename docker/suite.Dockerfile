# detbench itself, on a family's image. Last of the layers, so that a change in it costs seconds.
ARG BASE
FROM ${BASE}
ARG FAMILY
COPY pyproject.toml README.md /opt/detbench/
COPY parsers /opt/detbench/parsers
COPY scripts /opt/detbench/scripts
COPY benchmarks /opt/detbench/benchmarks
COPY detbench /opt/detbench/detbench
# The caller's uid is not known yet: switch.sh writes beside the scripts, libraries into HOME.
RUN ln -s /opt/detbench/benchmarks/${FAMILY} /scripts \
 && chmod 1777 /opt/detbench/benchmarks/${FAMILY} \
 && mkdir -p /home/detbench /scratch && chmod 1777 /home/detbench /scratch \
 && printf '#!/bin/sh\nexec python -m detbench "$@"\n' > /usr/local/bin/detbench \
 && chmod 755 /usr/local/bin/detbench
ENV PYTHONPATH=/opt/detbench PYTHONDONTWRITEBYTECODE=1 HOME=/home/detbench USER=detbench LOGNAME=detbench
WORKDIR /scripts
ARG COMMIT
ENV DETBENCH_COMMIT=${COMMIT}
# An image that cannot load its framework is no image.
RUN python -W ignore -c "from detbench.suite import load_family; \
from detbench.training.frameworks import load_framework; \
print([load_framework(name).versions() for name in load_family('${FAMILY}').frameworks])"
USER 1000:1000
CMD ["bash"]
