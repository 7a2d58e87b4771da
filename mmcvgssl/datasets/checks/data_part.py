"""A part of a data set, such as its training images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmcvgssl.datasets.checks.finding import Finding
from mmcvgssl.datasets.coco_findings import CocoFindings
from mmcvgssl.datasets.image_folders import PART_NAMES
from mmcvgssl.datasets.layouts import Sample


@dataclass(frozen=True)
class PartImage:
    """An image of a part.

    Args:
        path: As the part names it.
        file: Where it lies.
        label: Name of its class; None if it has none.
    """

    path: str
    file: str
    label: str | None = None


@dataclass
class DataPart:
    """A part of a data set, such as its training images.

    Args:
        name: Its name, such as ``train``.
        source: Folder, list or COCO file that it comes from.
        images: Its images, those that are there.
        findings: What is known before an image is opened.
        masks: Folder of images with masks, and these.
        boxes: What its COCO file holds.
        boxes_root: Folder that the file's names are relative to.
        only_boxes: Whether another part of the same name has the images.
    """

    name: str
    source: Path
    images: list[PartImage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    masks: tuple[Path, list[Sample]] | None = None
    boxes: CocoFindings | None = None
    boxes_root: Path | None = None
    only_boxes: bool = False

    @property
    def classes(self) -> dict[str, int]:
        """Number of images by class, those of no class aside."""
        counts = Counter(i.label for i in self.images if i.label is not None)
        return dict(sorted(counts.items()))

    @property
    def tested_on(self) -> bool:
        """Whether its name is that of images to test on."""
        return is_tested_on(self.name)


def is_tested_on(name: str) -> bool:
    """Whether a part of this name holds images to test on."""
    last = name.rpartition('/')[2].casefold()
    return last in PART_NAMES and not last.startswith('train')
