# detbench itself, on a family's image: the last layers, so that a change in it costs seconds.
ARG BASE
FROM ${BASE}
ARG FAMILY
COPY pyproject.toml README.md /opt/detbench/
COPY parsers /opt/detbench/parsers
COPY scripts /opt/detbench/scripts
COPY benchmarks /opt/detbench/benchmarks
COPY detbench /opt/detbench/detbench
# Writable for any uid: switch.sh writes beside the scripts, and libraries write into HOME.
RUN ln -s /opt/detbench/benchmarks/${FAMILY} /scripts \
 && chmod 1777 /opt/detbench/benchmarks/${FAMILY} \
 && mkdir -p /home/detbench /scratch && chmod 1777 /home/detbench /scratch \
 && printf '#!/bin/sh\nexec python -m detbench "$@"\n' > /usr/local/bin/detbench \
 && chmod 755 /usr/local/bin/detbench
ENV PYTHONPATH=/opt/detbench PYTHONDONTWRITEBYTECODE=1 HOME=/home/detbench USER=detbench LOGNAME=detbench
WORKDIR /scripts
ARG COMMIT
ENV DETBENCH_COMMIT=${COMMIT}
# The build fails if the image cannot load its framework.
RUN python -W ignore -c "from detbench.suite import load_family; \
from detbench.training.frameworks import load_framework; \
print([load_framework(name).versions() for name in load_family('${FAMILY}').frameworks])"
USER 1000:1000
CMD ["bash"]
