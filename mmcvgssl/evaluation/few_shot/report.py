"""Results of few-shot runs: a file that grows, a table and a plot."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.utils import atomic_write, read_json


class FewShotResults:
    """Accuracies by number of shots, written to disk after every run.

    Args:
        path: The JSON file; finished runs in it are reused.
        settings: Description of the runs. Whether runs of other settings
            lie there is for :func:`mmcvgssl.provenance.settle` to find out.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> settings = dict(mode='probe', checkpoint='backbone.pth')
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, 'few_shot.json')
        ...     results = FewShotResults(path, settings)
        ...     results.add(1, 80.0, ['good/1.png', 'crack/7.png'])
        ...     results.add(1, 90.0, ['good/2.png', 'crack/3.png'])
        >>> print(results.table(), end='')
        | accuracy, % | 1-shot |
        | --- | --- |
        | probe, backbone.pth | 85.0 ± 5.0 |
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.data: dict[str, Any] = {**settings, 'shots': {}}
        if path.is_file():
            saved = read_json(path)
            self.data['shots'] = saved.get('shots', {})

    def has(self, shots: int, run: int) -> bool:
        """Whether this run is finished."""
        entry = self.data['shots'].get(str(shots), {})
        return run < len(entry.get('runs', ()))

    def add(
        self,
        shots: int,
        accuracy: float,
        images: list[str],
        best_on_test: float | None = None,
        balanced: float | None = None,
    ) -> None:
        """Append a run and write the file.

        Args:
            shots: Number of images a class.
            accuracy: On the test images, percent.
            images: Paths of the drawn images.
            best_on_test: Accuracy of the best epoch.
            balanced: Mean accuracy of the classes, percent.
        """
        entry = self.data['shots'].setdefault(
            str(shots), {'mean': 0.0, 'std': 0.0, 'runs': [], 'draws': []}
        )
        entry['runs'].append(accuracy)
        entry['draws'].append(images)
        entry['mean'] = float(np.mean(entry['runs']))
        entry['std'] = float(np.std(entry['runs']))
        if balanced is not None:
            entry.setdefault('balanced', []).append(balanced)
        if best_on_test is not None:
            entry.setdefault('best_epoch_on_test', []).append(best_on_test)
        atomic_write(self.path, json.dumps(self.data, indent=1).encode())

    def table(self) -> str:
        """Return a Markdown table of mean and standard deviation."""
        shots = sorted(self.data['shots'], key=int)
        entries = [self.data['shots'][k] for k in shots]
        rows = [['accuracy, %', *(f'{k}-shot' for k in shots)]]
        rows.append(['---'] * len(rows[0]))
        name = title_of(self.data)
        rows.append(
            [name, *(f'{e["mean"]:.1f} ± {e["std"]:.1f}' for e in entries)]
        )
        means = [
            (np.mean(e['balanced']), np.std(e['balanced']))
            for e in entries
            if len(e.get('balanced', ())) == len(e['runs'])
        ]
        if len(means) == len(entries):
            rows.append(
                [
                    'balanced accuracy',
                    *(f'{m:.1f} ± {s:.1f}' for m, s in means),
                ]
            )
        if all('best_epoch_on_test' in e for e in entries):
            best = [e['best_epoch_on_test'] for e in entries]
            rows.append(
                [
                    'best epoch chosen on the test set (optimistic)',
                    *(f'{np.mean(b):.1f} ± {np.std(b):.1f}' for b in best),
                ]
            )
        return '\n'.join(f'| {" | ".join(row)} |' for row in rows) + '\n'

    def plot(self, path: Path) -> None:
        """Draw mean, standard deviation and every run over the shots."""
        _plot({title_of(self.data): self.data}, path)


def title_of(data: dict[str, Any]) -> str:
    """Say what results are of: mode, weights, and draw if not by classes."""
    parts = [data['mode'], data['checkpoint'], data.get('draw')]
    return ', '.join(part for part in parts if part)


def compare(
    results: dict[str, dict[str, Any]],
    path: Path,
    picture: np.ndarray | None = None,
) -> str:
    """Set several results beside each other.

    Args:
        results: Contents of ``few_shot.json`` files by their titles.
        path: Where the plot goes.
        picture: BGR uint8 [h, w, 3] to stand below the plot.

    Returns:
        A Markdown table: accuracy, mean and standard deviation of the draws,
        and in brackets the mean of the balanced one, %.
    """
    _plot(results, path, picture)
    shots = sorted({int(k) for r in results.values() for k in r['shots']})
    lines = [
        '| features | ' + ' | '.join(f'{k}-shot' for k in shots) + ' |',
        '|' + ' --- |' * (len(shots) + 1),
    ]
    for title, result in results.items():
        cells = [_cell(result['shots'].get(str(k))) for k in shots]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def _cell(entry: dict[str, Any] | None) -> str:
    if not entry:
        return ''
    text = f'{entry["mean"]:.1f} ± {entry["std"]:.1f}'
    balanced = entry.get('balanced', ())
    if len(balanced) == len(entry['runs']):
        text += f' ({np.mean(balanced):.1f})'
    return text


def _plot(
    results: dict[str, dict[str, Any]],
    path: Path,
    picture: np.ndarray | None = None,
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(6, 4) if picture is None else (8, 9), layout='constrained'
    )
    if picture is None:
        axes = figure.add_subplot()
    else:
        axes, below = figure.subplots(2, 1)
        below.imshow(picture[..., ::-1])
        below.axis('off')
    ticks: set[int] = set()
    for i, (title, result) in enumerate(results.items()):
        shots = sorted(int(k) for k in result['shots'])
        entries = [result['shots'][str(k)] for k in shots]
        ticks |= set(shots)
        for k, entry in zip(shots, entries, strict=True):
            runs = entry['runs']
            axes.plot([k] * len(runs), runs, '.', color=f'C{i}', alpha=0.25)
        mean, std = (np.array([e[key] for e in entries]) for key in _BAND)
        axes.plot(shots, mean, color=f'C{i}', marker='o', label=title)
        axes.fill_between(
            shots, mean - std, mean + std, color=f'C{i}', alpha=0.12
        )
    axes.set_xscale('log', base=2)
    axes.set_xticks(sorted(ticks), [str(k) for k in sorted(ticks)])
    axes.set_xlabel('labelled images a class')
    axes.set_ylabel('accuracy on the test set, %')
    axes.legend(fontsize='small')
    axes.grid(alpha=0.3)
    with io.BytesIO() as buffer:
        figure.savefig(buffer, dpi=150, format='png')
        atomic_write(path, buffer.getvalue())


_BAND = 'mean', 'std'
