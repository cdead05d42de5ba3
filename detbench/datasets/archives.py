"""The archives in which COCO and VOC are published: addresses, sizes and checksums."""

from __future__ import annotations

from dataclasses import dataclass

from detbench.errors import UsageError

_COCO = "http://images.cocodataset.org"
_VOC = "http://host.robots.ox.ac.uk/pascal/VOC"
_GB = 10**9


@dataclass(frozen=True)
class Archive:
    """A published archive.

    Attributes:
        bytes, sha256: as listed in TensorFlow Datasets 4.9, which uses the same URLs.
        unpacked: bytes that its content needs on disk, rounded up.
        inner: archives inside it, which are unpacked as well.
    """

    name: str
    url: str
    bytes: int
    sha256: str
    unpacked: int
    inner: tuple[str, ...] = ()


def _coco(name: str, size: int, sha256: str, unpacked: int, inner: tuple[str, ...] = ()) -> Archive:
    folder = "annotations" if "annotations" in name else "zips"
    return Archive(name, f"{_COCO}/{folder}/{name}", size, sha256, unpacked, inner)


def _voc(name: str, size: int, sha256: str) -> Archive:
    year = "voc2012" if "2012" in name else "voc2007"
    return Archive(name, f"{_VOC}/{year}/{name}", size, sha256, size)


ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "coco": (
        _coco(
            "annotations_trainval2017.zip",
            252907541,
            "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
            _GB,
        ),
        _coco(
            "val2017.zip",
            815585330,
            "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            _GB,
        ),
        _coco(
            "train2017.zip",
            19336861798,
            "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            20 * _GB,
        ),
    ),
    "coco-panoptic": (
        _coco(
            "panoptic_annotations_trainval2017.zip",
            860725834,
            "c05f76d2129b6b561eb70efe16e7006df62f73fb92889132d373b9d90e31a370",
            3 * _GB,
            ("annotations/panoptic_train2017.zip", "annotations/panoptic_val2017.zip"),
        ),
    ),
    "voc2007": (
        _voc(
            "VOCtrainval_06-Nov-2007.tar",
            460032000,
            "7d8cd951101b0957ddfd7a530bdc8a94f06121cfc1e511bb5937e973020c7508",
        ),
        _voc(
            "VOCtest_06-Nov-2007.tar",
            451020800,
            "6836888e2e01dca84577a849d339fa4f73e1e4f135d312430c4856b5609b4892",
        ),
    ),
    "voc2012": (
        _voc(
            "VOCtrainval_11-May-2012.tar",
            1999639040,
            "e14f763270cf193d0b5f74b169f44157a4b0c6efa708f4dd0ff78ee691763bcb",
        ),
    ),
}


def archives_of(name: str) -> tuple[Archive, ...]:
    """The archives of a dataset.

    Raises:
        UsageError: the dataset has no archives; the message lists those that have.
    """
    if name == "voc0712":
        return (*ARCHIVES["voc2007"], *ARCHIVES["voc2012"])
    if name not in ARCHIVES:
        raise UsageError(f"no archives of '{name}'", f"known: {', '.join((*ARCHIVES, 'voc0712'))}")
    return ARCHIVES[name]
