"""Reading all images and masks of data sets, by several processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.apis.prediction.workers import Workers, workers_for
from mmcvgssl.datasets.checks import (
    ERROR,
    WARNING,
    DataPart,
    Example,
    Finding,
    ImageFacts,
    ImageTable,
    read_facts,
)
from mmcvgssl.datasets.layouts import Sample
from mmcvgssl.datasets.preparation.masks import (
    EMPTY,
    MISSING,
    WRONG,
    MaskFault,
    look_at_mask,
)
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.processes import in_order
from mmcvgssl.progress import progress_bar
from mmcvgssl.utils import printable

_AT_ONCE = 16  # images that a process is asked for
_AHEAD = 4  # requests that wait for a process
_TEXTS = {
    WRONG: (ERROR, 'masks that do not fit their images'),
    MISSING: (WARNING, 'defective images without a mask'),
    EMPTY: (WARNING, 'masks of defective images that show nothing'),
}


class CheckJob:
    """Reads images and masks, in this or a worker process."""

    def facts(self, key: int, files: Sequence[str]) -> list[ImageFacts]:
        """Say what is known of images."""
        return [read_facts(file) for file in files]

    def masks(
        self, key: int, root: Path, samples: Sequence[Sample]
    ) -> list[MaskFault | None]:
        """Say what is wrong with masks."""
        return [_look(root, sample) for sample in samples]


def read_all(table: ImageTable, workers: int | None = None) -> None:
    """Read the images of a table in full.

    Args:
        table: Gets what is known of each image.
        workers: See :func:`workers_for`.
    """
    table.facts = []
    for found in _in_parts('facts', 'images', workers, table.files):
        table.facts += found


def mask_findings(part: DataPart, workers: int | None = None) -> list[Finding]:
    """Report masks that are missing, empty, or of another size."""
    if part.masks is None:
        return []
    root, samples = part.masks
    files = {image.path: image.file for image in part.images}
    faults: dict[str, list[Example]] = {}
    looked = _in_parts('masks', 'masks', workers, samples, root)
    every = (fault for found in looked for fault in found)
    for sample, fault in zip(samples, every, strict=True):
        if fault is not None:
            shown = tuple(str(root / path) for path in (sample.mask,) if path)
            line = printable(fault.line.removeprefix(f'{root}/'))
            faults.setdefault(fault.kind, []).append(
                Example(line, (files[sample.path], *shown))
            )
    return [
        Finding(f'mask-{kind}', severity, f'{part.name}: {text}', faults[kind])
        for kind, (severity, text) in _TEXTS.items()
        if kind in faults
    ]


def _look(root: Path, sample: Sample) -> MaskFault | None:
    try:
        return look_at_mask(root, sample)
    except (UnreadableImageError, ValueError) as error:
        return MaskFault(WRONG, str(error))


def _in_parts(
    name: str,
    what: str,
    workers: int | None,
    items: Sequence[Any],
    *before: Any,
) -> Iterator[list[Any]]:
    """Have workers look at items, a few at a time, and in order."""
    count = workers_for(len(items), workers, computes_here=False)
    with (
        Workers(CheckJob(), count) as pool,
        progress_bar(
            total=len(items), desc=what, unit=what.removesuffix('s')
        ) as bar,
    ):
        starts = enumerate(range(0, len(items), _AT_ONCE))
        futures = (
            pool.submit(number, name, *before, items[i : i + _AT_ONCE])
            for number, i in starts
        )
        for found in in_order(futures, max(count, 1) * _AHEAD):
            bar.update(len(found))
            yield found
