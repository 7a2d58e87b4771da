"""Train a detector from several starts, and show what each is worth.

Reads a ladder (a config in tools/benchmarks/ladders), runs the pretraining
stages that its rows start from, chooses the options of each kind of start on
folds of the training labels, trains every row with its seeds, and writes
`table.md` and `curves.png`: mAP on the test images against updates. The last
epoch counts, nothing is chosen on test images. Typed again, the command skips
what is done and resumes what was interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from mmengine.config import Config

from mmcvgssl.datasets.preparation import draw_folds
from mmcvgssl.datasets.preparation.folds import HELD_OUT, TRAIN
from mmcvgssl.utils import atomic_write
from mmcvgssl.visualization.scalars import read_scalars

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
        '--jobs', type=int, default=1, help='trainings side by side'
    )
    parser.add_argument(
        '--show', action='store_true', help='what is done; train nothing'
    )
    return parser.parse_args()


class Ladder:
    """Trainings that a config describes, in folders of their own.

    Those that a training stands on run before it, as many side by side as
    there are slots.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        cfg = Config.fromfile(args.ladder)
        self.cfg, self.out = cfg, args.out.resolve()
        self.given = {
            key: str(Path(value).resolve())
            for key, value in (each.split('=', 1) for each in args.given)
        }
        self.show = args.show
        self.slots = threading.Semaphore(args.jobs)
        self.locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self.stopped = threading.Event()

    def stage(self, name: str) -> str:
        """Return the checkpoint of a pretraining stage, which may run."""
        stage, folder = self.cfg.stages[name], self.out / 'stages' / name
        checkpoint = folder / f'epoch_{int(stage.epochs)}.pth'
        with self.locks[f'stage {name}']:
            if not checkpoint.is_file():
                self.train(stage.recipe, self.filled(stage.options), folder)
        return str(checkpoint)

    def require(self, rows: Iterable[str]) -> None:
        """Refuse to begin where something that rows need is not given."""
        wanted: dict[str, str] = {}
        for row in rows:
            todo = [self.cfg.options, self.cfg.rows[row].get('options', {})]
            if 'teacher' in self.cfg.rows[row]:
                todo.append(self.cfg.self_training)
            while todo:
                for value in todo.pop().values():
                    name = str(value)[1:-1]
                    if str(value) != f'{{{name}}}':
                        continue
                    if name in self.cfg.stages:
                        todo.append(self.cfg.stages[name].options)
                    else:
                        wanted.setdefault(name, row)
        missing = sorted(set(wanted) - set(self.given))
        if missing:
            raise SystemExit(
                '--given lacks '
                + ', '.join(f'{n}=PATH (row {wanted[n]!r})' for n in missing)
                + '; give it, or leave the rows out by --rows'
            )
        for name in sorted(set(wanted)):
            if not Path(self.given[name]).exists():
                raise SystemExit(f'{name}={self.given[name]}: no such file')

    def filled(self, options: Mapping[str, Any]) -> list[str]:
        """Return options as words, with what they name put in."""
        words = []
        for key, value in options.items():
            name = value[1:-1] if str(value).startswith('{') else None
            if name in self.cfg.get('stages', {}):
                value = self.stage(name)
            elif name is not None and name.isidentifier():
                value = self.given[name]
            words.append(f'{key}={value}')
        return words

    def train(self, recipe: str, options: Sequence[str], folder: Path) -> None:
        """Train, or go on with it."""
        words = [recipe, '--work-dir', str(folder)]
        if (folder / 'last_checkpoint').is_file():
            words.append('--resume')
        if not torch.cuda.is_available():
            options = [*options, *self.filled(self.cfg.get('on_cpu', {}))]
        self.tool('train.py', [*words, '--cfg-options', *options], folder)

    def tool(self, name: str, words: Sequence[str], folder: Path) -> None:
        """Run a tool as soon as there is a slot."""
        if self.show:
            raise SystemExit(f'{folder} is not there yet')
        with self.slots:
            if self.stopped.is_set():
                raise KeyboardInterrupt
            print(f'{folder}: begins', flush=True)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / 'terminal.log').open('a') as log:
                subprocess.run(
                    [sys.executable, f'tools/{name}', *words],
                    **{'check': True, 'cwd': ROOT, 'stdout': log},
                    stderr=log,
                )

    def run(
        self, row: Mapping[str, Any], more: Sequence[str], folder: Path
    ) -> dict[int, dict[str, float]] | None:
        """Return the metrics of one training by number of updates."""
        with self.locks[str(folder)]:
            found = curve(folder)
            if found.get(int(self.cfg.epochs)) is None:
                if self.show:
                    return None
                own = [*self.filled(self.cfg.options), *more]
                self.train(self.cfg.detectors[row['detector']], own, folder)
                found = curve(folder)
        return found

    def row(self, name: str, seed: int) -> dict[int, dict[str, float]] | None:
        """Return the metrics of a row with one seed."""
        row, folder = self.cfg.rows[name], self.folder(name, seed)
        if self.show:
            return self.run(row, (), folder)
        more = [f'randomness.seed={seed}']
        more += self.filled(self.cfg.get('row_options', {}))
        more += self.filled({**row.get('options', {}), **self.choice(row)})
        if 'teacher' in row:
            more.append(f'ann_file={self.joined(row, seed)}')
        return self.run(row, more, folder)

    def folder(self, name: str, seed: int) -> Path:
        """Return where a row is trained."""
        return self.out / 'rows' / name.replace(' ', '_') / str(seed)

    def last(self, folder: Path) -> str:
        """Return the checkpoint that a training ended with."""
        return str(folder / f'epoch_{int(self.cfg.epochs)}.pth')

    def joined(self, row: Mapping[str, Any], seed: int) -> Path:
        """Return labels and the boxes that a teacher finds beside them.

        The thresholds of boxes are chosen on labels that detectors of the
        same kind have not learned from, those trained for the choice of
        options.
        """
        teacher = str(row['teacher'])
        self.row(teacher, seed)
        options = self.choice(row)
        held_out = []
        for number, tried in enumerate(self.cfg.search[row['kind']].tries):
            if tried == options:
                for fold, (_, test) in enumerate(self.folds()):
                    trained = self.on_fold_folder(row['kind'], number, fold)
                    held_out += ['--held-out', self.last(trained), str(test)]
        out = self.out / 'joined' / teacher.replace(' ', '_') / str(seed)
        file = out / 'annotations.json'
        with self.locks[str(out)]:
            if not file.is_file():
                words = [self.last(self.folder(teacher, seed)), *held_out]
                for word in self.filled(self.cfg.self_training):
                    words.append(f'--{word}')
                words += ['--out', str(out)]
                self.tool('self_train.py', words, out)
        return file

    def choice(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options that do best on folds, for the row's kind.

        Each is trained on two thirds of the labels, and tested on the others.
        """
        kind = str(row['kind'])
        path = self.out / 'choices' / f'{kind}.json'
        with self.locks[str(path)]:
            if not path.is_file():
                tries = self.cfg.search[kind].tries
                folds = range(len(self.folds()))
                tried = list(itertools.product(range(len(tries)), folds))
                with ThreadPoolExecutor(len(tried)) as pool:
                    found = list(pool.map(partial(self.on_fold, kind), tried))
                means = np.reshape(found, (len(tries), -1)).mean(1)
                result = {
                    'options': tries[int(np.argmax(means))],
                    'tried': [
                        {'options': options, 'mean': float(mean)}
                        for options, mean in zip(tries, means, strict=True)
                    ],
                }
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, json.dumps(result, indent=1).encode())
        return dict(json.loads(path.read_text())['options'])

    def on_fold(self, kind: str, tried: tuple[int, int]) -> float:
        """Return the mean metric of options, by number, on a fold."""
        number, fold = tried
        search = self.cfg.search[kind]
        row = self.cfg.rows[search.row]
        train, test = self.folds()[fold]
        own = {**row.get('options', {}), **search.tries[number]}
        more = [
            *self.filled(own),
            f'ann_file={train}',
            f'test_ann_file={test}',
        ]
        run = self.run(row, more, self.on_fold_folder(kind, number, fold))
        if run is None:
            raise SystemExit('options that --show cannot choose: train first')
        last = run[int(self.cfg.epochs)]
        return float(np.mean([last[m] for m in METRICS.values()]))

    def on_fold_folder(self, kind: str, number: int, fold: int) -> Path:
        """Return where options are tried."""
        return self.out / 'folds' / kind / f'{number}-{fold}'

    def folds(self) -> list[tuple[Path, Path]]:
        """Divide the training labels in three, and return those to test."""
        folder = self.out / 'folds'
        with self.locks[str(folder)]:
            found = draw_folds(self.given['labels'], folder)
        return [
            (folder / TRAIN.format(number), folder / HELD_OUT.format(number))
            for number in range(1, len(found.images) + 1)
        ][: int(self.cfg.folds)]


def curve(folder: Path) -> dict[int, dict[str, float]]:
    """Return the metrics of a training by epoch, and its updates."""
    logged = read_scalars(folder)
    each = 0.0  # updates of an epoch
    for step, row in logged.training.items():
        if row.get('epoch'):
            each = step / row['epoch']
    return {
        epoch: {
            **{m: 100 * row[m] for m in METRICS.values()},
            'updates': epoch * each,
        }
        for epoch, row in logged.validation.items()
        if METRICS['mAP@.5'] in row
    }


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
    """Train, and write what came out."""
    args = parse_args()
    ladder = Ladder(args)
    rows = {
        name: min(int(row.seeds), args.seeds or int(row.seeds))
        for name, row in ladder.cfg.rows.items()
        if not args.rows or name in args.rows
    }
    ladder.require(rows)
    todo = [
        (name, seed)
        for seed in range(max(rows.values()))
        for name, seeds in rows.items()
        if seed < seeds
    ]
    runs: dict[str, dict[int, dict]] = {}  # by row and seed
    failed = []
    with ThreadPoolExecutor(2 * len(todo)) as pool:
        if not args.show:  # stages begin before the options are chosen
            for name in rows:
                pool.submit(
                    ladder.filled, ladder.cfg.rows[name].get('options', {})
                )
        pending = {pool.submit(ladder.row, *each): each for each in todo}
        try:
            for done in as_completed(pending):
                name, seed = pending[done]
                try:
                    found = done.result()
                except subprocess.CalledProcessError as error:
                    failed.append(f'{name}, seed {seed}: {error}')
                    continue
                if found is not None:
                    runs.setdefault(name, {})[seed] = found
                    write(
                        ladder,
                        {
                            row: [own for _, own in sorted(runs[row].items())]
                            for row in rows
                            if row in runs
                        },
                    )
        finally:
            ladder.stopped.set()
    if runs:
        print((ladder.out / 'table.md').read_text())
    if failed or not runs:
        raise SystemExit('\n'.join(failed) or 'no training is done yet')


def write(ladder: Ladder, runs: Mapping[str, Sequence[dict]]) -> None:
    """Write the table and the curves of what is done."""
    text = table(runs, int(ladder.cfg.epochs))
    ladder.out.mkdir(parents=True, exist_ok=True)
    atomic_write(ladder.out / 'table.md', f'{text}\n'.encode())
    plot(runs, ladder.out / 'curves.png')


if __name__ == '__main__':
    main()
