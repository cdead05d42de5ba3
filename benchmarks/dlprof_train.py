"""Trains torchvision's detectors under DLProf: python3 dlprof_train.py SPEC FOLDER.

DLProf ended with NVIDIA's PyTorch image 21.12, whose Python 3.8 is too old for detbench itself.
This one file runs there, on generated images, and reads and writes what the suite's own training
does: the spec of a run, and `outcome-0.json` in FOLDER. DLProf, around it, selects the window.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import torch
import torchvision

SIZE, OBJECTS, CLASSES = 800, 10, 80  # of a generated image, and of COCO
BUILDERS = {
    "mask_rcnn_R_50_FPN": "maskrcnn_resnet50_fpn",
    "faster_rcnn_R_50_FPN": "fasterrcnn_resnet50_fpn",
    "retinanet_R_50_FPN": "retinanet_resnet50_fpn",
}


def main(spec_path, folder):
    """Train to the end of the spec's window; returns the exit code."""
    spec = json.loads(Path(spec_path).read_text())
    try:
        outcome = train(spec)
    except Exception as error:  # whatever it is, the run's record has to name it
        failure = {"type": type(error).__name__, "message": str(error), "at": time.time()}
        outcome = {"failure": failure}
    (Path(folder) / "outcome-0.json").write_text(json.dumps(outcome))
    return 1 if "failure" in outcome else 0


def train(spec):
    """Train as the spec says; returns the outcome, as `detbench.records.spec.Outcome` has it."""
    device, size = torch.device(spec["device"]), spec["batch_size"]
    first, count = spec["window"]["start"], spec["window"]["count"]
    torch.manual_seed(spec["seed"])
    annotations = annotated(device)
    name = next(b for prefix, b in BUILDERS.items() if spec["model"].startswith(prefix))
    build = getattr(torchvision.models.detection, name)
    # The names of these arguments changed between the image's torchvision and today's.
    model = build(pretrained=False, pretrained_backbone=False, num_classes=CLASSES + 1)
    model = model.to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-9, momentum=0.9)
    images, targets = batch(size, device)
    seconds = []
    with annotations:
        for iteration in range(first + count):
            synchronize(device)
            began = time.perf_counter()
            loss = sum(model(images, targets).values())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            synchronize(device)
            seconds.append(time.perf_counter() - began)
            done = {"event": "progress", "phase": "training", "done": iteration + 1}
            print("@detbench " + json.dumps(dict(done, total=first + count)), flush=True)
    inside = sorted(seconds[first:])
    total = sum(inside)
    return {
        "throughput": {
            "images_per_second": size * count / total,
            "images": size * count,
            "seconds": total,
            "num_iterations": count,
            "first_iteration": first,
            "batch_size": size,
            "iteration_seconds_median": inside[count // 2],
            "iteration_seconds_p10": inside[count // 10],
            "iteration_seconds_p90": inside[(9 * count) // 10],
            "data_wait_share": 0.0,
        },
        "environment": {
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "images": f"generated, {SIZE}x{SIZE}",
            "weights": "random",
        },
    }


def annotated(device):
    """A context in which every operator is named for DLProf; none on a CPU, where it is not."""
    if device.type == "cpu":
        return nullcontext()
    import nvidia_dlprof_pytorch_nvtx

    nvidia_dlprof_pytorch_nvtx.init(enable_function_stack=True)
    return torch.autograd.profiler.emit_nvtx()


def synchronize(device):
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def batch(size, device):
    """Images (3, SIZE, SIZE) in 0..1, and objects with boxes, labels and masks."""
    corner = SIZE * torch.rand(size, OBJECTS, 2) / 2
    boxes = torch.cat([corner, corner + 16 + SIZE * torch.rand(size, OBJECTS, 2) / 3], dim=2)
    masks = torch.ones(size, OBJECTS, SIZE, SIZE, dtype=torch.uint8)
    targets = [
        {
            "boxes": boxes[i].to(device),
            "labels": torch.randint(1, CLASSES + 1, (OBJECTS,), device=device),
            "masks": masks[i].to(device),
        }
        for i in range(size)
    ]
    return [torch.rand(3, SIZE, SIZE, device=device) for _ in range(size)], targets


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
