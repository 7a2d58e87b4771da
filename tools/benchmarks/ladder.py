"""Train a detector from several starts, and show what each is worth.

Reads a ladder (a config in tools/benchmarks/ladders), runs the pretraining
stages that its rows start from, chooses the options of each kind of start on
folds of the training labels (`--choose`), trains every row with its seeds, and
writes `table.md` and `curves.png`: mAP on the test images against updates. The
last epoch counts, nothing is chosen on test images. Typed again, the command
skips what is done and resumes what was interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from mmengine.config import Config

from mmcvgssl.datasets.preparation import draw_folds
from mmcvgssl.datasets.preparation.folds import HELD_OUT, TRAIN
from mmcvgssl.utils import atomic_write

mpl.use('agg')
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[2]
METRICS = {'mAP@.5': 'coco/bbox_mAP_50', 'mAP@.5:.95': 'coco/bbox_mAP'}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('ladder', type=Path, help='config of the ladder')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument(
        '--given', nargs='*', default=[], help='NAME=PATH of {NAME} in it'
    )
    parser.add_argument('--rows', nargs='+', help='these alone')
    parser.add_argument('--seeds', type=int, help='of each row, at most')
    parser.add_argument(
        '--choose', action='store_true', help='options of each kind of start'
    )
    parser.add_argument('--folds', type=int, default=1, help='of 3, to test')
    parser.add_argument(
        '--show', action='store_true', help='what is done; train nothing'
    )
    return parser.parse_args()


class Ladder:
    """Trainings that a config describes, in folders of their own."""

    def __init__(self, args: argparse.Namespace) -> None:
        cfg = Config.fromfile(args.ladder)
        self.cfg, self.out = cfg, args.out.resolve()
        self.given = {
            key: str(Path(value).resolve())
            for key, value in (each.split('=', 1) for each in args.given)
        }
        self.show = args.show

    def stage(self, name: str) -> str:
        """Return the checkpoint of a pretraining stage, which may run."""
        stage, folder = self.cfg.stages[name], self.out / 'stages' / name
        epochs = int(stage.epochs)
        checkpoint = folder / f'epoch_{epochs}.pth'
        if not checkpoint.is_file():
            self.train(stage.recipe, self.filled(stage.options), folder)
        return str(checkpoint)

    def filled(self, options: Mapping[str, Any]) -> list[str]:
        """Return options as words, with what they name put in."""
        words = []
        for key, value in options.items():
            if isinstance(value, str) and value.startswith('{'):
                name = value[1:-1]
                is_stage = name in self.cfg.get('stages', {})
                value = self.stage(name) if is_stage else self.given[name]
            words.append(f'{key}={value}')
        return words

    def train(self, recipe: str, options: Sequence[str], folder: Path) -> None:
        """Train, or go on with it."""
        if self.show:
            raise SystemExit(f'{folder} is not there yet')
        print(f'{folder}: training', flush=True)
        words = ['tools/train.py', recipe, '--work-dir', str(folder)]
        if (folder / 'last_checkpoint').is_file():
            words.append('--resume')
        words += ['--cfg-options', *options]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / 'terminal.log').open('a') as log:
            subprocess.run(
                [sys.executable, *words],
                **{'check': True, 'cwd': ROOT, 'stdout': log, 'stderr': log},
            )

    def run(
        self, row: Mapping[str, Any], more: Sequence[str], folder: Path
    ) -> dict[int, dict[str, float]] | None:
        """Return the metrics of one training by number of updates."""
        found = curve(folder)
        epochs = int(self.cfg.epochs)
        if found.get(epochs) is None:
            if self.show:
                return None
            own = [*self.filled(self.cfg.options), *more]
            self.train(row['recipe'], own, folder)
            found = curve(folder)
        return found

    def options(self, row: Mapping[str, Any]) -> list[str]:
        """Return the options of a row, with those chosen for its kind."""
        chosen: dict[str, Any] = {}
        path = self.out / 'choices.json'
        if path.is_file():
            chosen = json.loads(path.read_text())
        kind = chosen.get(row['kind'], {}).get('options', {})
        return self.filled({**row.get('options', {}), **kind})

    def choose(self, folds: int) -> None:
        """Choose the options of each kind of start on folds of labels."""
        lists = self.folds()[:folds]
        path = self.out / 'choices.json'
        chosen = json.loads(path.read_text()) if path.is_file() else {}
        for kind, search in self.cfg.search.items():
            row = self.cfg.rows[search.row]
            grid = [
                dict(zip(search.grid, values, strict=True))
                for values in itertools.product(*search.grid.values())
            ]
            scores = []
            for number, options in enumerate(grid):
                found = []
                for fold, (train, test) in enumerate(lists):
                    more = self.filled({**row.get('options', {}), **options})
                    more += [f'ann_file={train}', f'test_ann_file={test}']
                    folder = self.out / f'folds/{kind}/{number}-{fold}'
                    run = self.run(row, more, folder)
                    if run is None:
                        break
                    found.append(run[int(self.cfg.epochs)])
                scores.append(
                    [[f[m] for m in METRICS.values()] for f in found]
                )
            if not all(len(score) == len(lists) for score in scores):
                continue
            means = [float(np.mean(score)) for score in scores]
            best = int(np.argmax(means))
            chosen[kind] = {
                'options': grid[best],
                'tried': [
                    {'options': options, 'metrics': score}
                    for options, score in zip(grid, scores, strict=True)
                ],
            }
            atomic_write(path, json.dumps(chosen, indent=1).encode())
            print(f'{kind}: {grid[best]}, means {means}', flush=True)

    def folds(self) -> list[tuple[Path, Path]]:
        """Divide the training labels in three."""
        folder = self.out / 'folds'
        found = draw_folds(self.given['labels'], folder)
        return [
            (folder / TRAIN.format(number), folder / HELD_OUT.format(number))
            for number in range(1, len(found.images) + 1)
        ]


def curve(folder: Path) -> dict[int, dict[str, float]]:
    """Return the metrics of a training by epoch, and its updates."""
    found: dict[int, dict[str, float]] = {}
    updates = 0.0
    for file in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if 'epoch' in entry:
                updates = entry['step'] / entry['epoch']
            elif METRICS['mAP@.5'] in entry:
                found[entry['step']] = {
                    **{m: 100 * entry[m] for m in METRICS.values()},
                    'updates': entry['step'] * updates,
                }
    return found


def table(runs: Mapping[str, Sequence[dict]], epochs: int) -> str:
    """Return the figures after the last epoch, as Markdown."""
    lines = ['| | ' + ' | '.join(f'{m} | seeds' for m in METRICS) + ' |']
    lines.append('|---' * 5 + '|')
    for name, curves in runs.items():
        cells = []
        for metric in METRICS.values():
            values = [each[epochs][metric] for each in curves]
            cells.append(f'{np.mean(values):.1f} ± {np.std(values):.1f}')
            cells.append(', '.join(f'{value:.1f}' for value in values))
        lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def plot(runs: Mapping[str, Sequence[dict]], path: Path) -> None:
    """Draw the metrics against updates: a line a row, a band of a std."""
    figure, axes = plt.subplots(
        1, 2, figsize=(11, 4.5), constrained_layout=True
    )
    for axis, (title, metric) in zip(axes, METRICS.items(), strict=True):
        for name, curves in runs.items():
            epochs = sorted(set.intersection(*(set(c) for c in curves)))
            values = np.array([[c[e][metric] for e in epochs] for c in curves])
            updates = [curves[0][e]['updates'] for e in epochs]
            mean, std = values.mean(0), values.std(0)
            (line,) = axis.plot(updates, mean, label=f'{name} ({len(curves)})')
            band, colour = (mean - std, mean + std), line.get_color()
            axis.fill_between(updates, *band, alpha=0.15, color=colour)
        axis.set(title=title, xlabel='updates', ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('%')
    axes[1].legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Choose, train, and write what came out."""
    args = parse_args()
    ladder = Ladder(args)
    if args.choose:
        ladder.choose(args.folds)
        return
    runs: dict[str, list[dict]] = {}
    for name, row in ladder.cfg.rows.items():
        if args.rows and name not in args.rows:
            continue
        for seed in range(min(int(row.seeds), args.seeds or int(row.seeds))):
            folder = ladder.out / 'rows' / name.replace(' ', '_') / str(seed)
            more = [f'randomness.seed={seed}']
            if not args.show:
                more += ladder.options(row)
            found = ladder.run(row, more, folder)
            if found is not None:
                runs.setdefault(name, []).append(found)
        if runs:
            text = table(runs, int(ladder.cfg.epochs))
            ladder.out.mkdir(parents=True, exist_ok=True)
            atomic_write(ladder.out / 'table.md', f'{text}\n'.encode())
            plot(runs, ladder.out / 'curves.png')
    if not runs:
        raise SystemExit(f'no training of {args.ladder} is done yet')
    print((ladder.out / 'table.md').read_text())


if __name__ == '__main__':
    main()
