"""What trainings have logged: the lines of mmengine's ``scalars.json``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmcvgssl.utils import parse_json, some

# below a work directory, and below the folder of one of its runs
LOGS = '*/vis_data/scalars.json', 'vis_data/scalars.json'
Rows = dict[int, dict[str, float]]


@dataclass
class Scalars:
    """Losses and metrics of a training.

    Attributes:
        training: Losses and the like by name, by iteration.
        validation: Metrics by name, by epoch, or by iteration in a training
            that counts these alone.
        damaged: What is left out, a sentence each.
    """

    training: Rows = field(default_factory=dict)
    validation: Rows = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Epochs that have been logged, 0 if they are not counted."""
        return int(
            max((r.get('epoch', 0) for r in self.training.values()), default=0)
        )

    def names(self, validation: bool = False) -> list[str]:
        """Return the names of all values, in the order in which they came."""
        rows = self.validation if validation else self.training
        return list(
            dict.fromkeys(name for row in rows.values() for name in row)
        )


def read_scalars(folder: str | Path) -> Scalars:
    r"""Read what all runs of a training have logged.

    A run takes the place of earlier ones from its first step on: one that was
    resumed repeats steps, and one that began anew is another training. A line
    that is cut off, as while a training is writing, is left out.

    Args:
        folder: Work directory of the training, or the folder of one run.

    Raises:
        OSError: If a file cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, '1/vis_data/scalars.json')
        ...     file.parent.mkdir(parents=True)
        ...     text = '{"loss": 2.0, "iter": 1, "step": 1}\n{"lo'
        ...     written = file.write_text(text)
        ...     found = read_scalars(folder)
        >>> found.training, len(found.damaged)
        ({1: {'loss': 2.0}}, 1)
    """
    found = Scalars()
    files = [path for pattern in LOGS for path in Path(folder).glob(pattern)]
    for file in sorted(files):
        lines = file.read_bytes().split(b'\n')
        wrong, own, had_rows = [], Scalars(), bool(found.training)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                _add(own, parse_json(line))
            except (KeyError, OverflowError, TypeError, ValueError):
                wrong.append(number)
        if wrong == [len(lines)]:  # no line break behind it
            found.damaged.append(
                f'{file}: the last line, {wrong[0]}, is cut off: the training '
                'still writes, or was stopped; read up to there'
            )
        elif wrong:
            found.damaged.append(
                f'{file}: {some(map(str, wrong), "line")} that are no JSON '
                'objects with a step are left out'
            )
        _go_on(found, own)
        if had_rows and found.training == own.training:
            found.damaged.append(
                f'{file}: this training began anew, so what earlier runs '
                'have logged in its work directory is left out'
            )
    return found


def _go_on(found: Scalars, own: Scalars) -> None:
    """Add what a run has logged, in place of what it has done again."""
    if own.training:
        first = min(own.training)
        epoch = own.training[first].get('epoch', first)
        in_epochs = max(found.validation, default=0) <= found.epochs
        for rows, start in (
            (found.validation, epoch if in_epochs else first),
            (found.training, first),
        ):
            for step in [step for step in rows if step >= start]:
                del rows[step]
    found.training.update(own.training)
    found.validation.update(own.validation)


def _add(found: Scalars, entry: dict[str, Any]) -> None:
    step = int(entry['step'])
    rows = found.training if 'iter' in entry else found.validation
    rows[step] = dict(_numbers(entry))


def _numbers(entry: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        is_number = isinstance(value, (int, float))
        if name not in ('step', 'iter') and is_number:
            yield name, float(value)
