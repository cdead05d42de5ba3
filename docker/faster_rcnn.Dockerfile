# Faster R-CNN, RetinaNet and RPN: the detectron2 of Mask R-CNN's image, layer for layer.
ARG BASE=detbench/maskrcnn-framework
FROM ${BASE}
