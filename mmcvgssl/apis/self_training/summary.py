"""What self-training has made, and a summary of it for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmcvgssl.apis.self_training.files import REPORT, SHEET
from mmcvgssl.evaluation.box_thresholds import POOLED
from mmcvgssl.utils import printable, some


@dataclass(frozen=True)
class SelfTraining:
    """Labels joined with boxes of a detector.

    Args:
        file: The COCO file.
        classes: By name: ``labels``, true boxes; ``boxes``, those of the
            detector that joined; ``threshold``, ``source``, ``precision``,
            ``recall`` and ``held_out`` labels, see :class:`BoxThreshold`.
        images: Counts: ``labelled``, ``searched``, ``boxed``,
            ``background``, ``left_out``, ``copies``, ``tested`` and
            ``not_read``.
        ignored: Boxes that joined as crowds.
        errors: Why images cannot be read, by path.
        files: Files written.

    Example:
        >>> made = SelfTraining(Path('annotations.json'), {}, {'boxed': 3})
        >>> made.images['boxed']
        3
    """

    file: Path
    classes: dict[str, dict[str, Any]]
    images: dict[str, int]
    ignored: int = 0
    errors: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def self_training_text(made: SelfTraining) -> str:
    """Return a summary of :func:`self_train` for people.

    Example:
        >>> counts = ('boxed', 'searched', 'background', 'left_out', 'copies')
        >>> counts += ('tested', 'not_read', 'labelled')
        >>> made = SelfTraining(Path('a.json'), {}, dict.fromkeys(counts, 2))
        >>> self_training_text(made).splitlines()[2].partition(', ')[0]
        '2 of 2 images have a box that joined'
    """

    def share(value: float | None) -> str:
        return '' if value is None else f'{100 * value:.0f} %'

    lines = [
        '| class | labels | boxes | threshold | precision | recall |',
        '|---|---|---|---|---|---|',
    ]
    for name, own in made.classes.items():
        cut = own['threshold']
        threshold = 'none' if cut is None else f'{cut:.3f}'
        lines.append(
            f'| {printable(name)} | {own["labels"]} | {own["boxes"]} | '
            f'{threshold} | {share(own["precision"])} | '
            f'{share(own["recall"])} |'
        )
    few = [n for n, own in made.classes.items() if own['source'] == POOLED]
    if few:
        lines.append(
            f'note: too few held-out labels of {some(map(printable, few))}: '
            'the threshold is that of all classes together'
        )
    none = [n for n, own in made.classes.items() if own['threshold'] is None]
    if none:
        lines.append(
            f'note: no box of {some(map(printable, none))} is believed: too '
            'few held-out boxes fit a label'
        )
    of = made.images
    if made.ignored:
        lines.append(f'{made.ignored} boxes below joined as crowds')
    lines.append(
        f'{of["boxed"]} of {of["searched"]} images have a box that joined, '
        f'{of["background"]} joined as images without a defect, '
        f'{of["left_out"]} are left out'
    )
    outside = [
        (of['copies'], 'copies of labelled images, or of those tested on'),
        (of['tested'], 'are tested on'),
        (of['not_read'], 'cannot be read'),
    ]
    lines += [f'{n} images left out: {why}' for n, why in outside if n]
    lines.append(
        f'{made.file}: {of["labelled"]} images with labels, '
        f'{of["boxed"] + of["background"]} with boxes of the detector; '
        f'{REPORT} and {SHEET} beside it'
    )
    return '\n'.join(lines)
