"""Compare settings of label propagation on halves of the training images.

One half is the collection of which a few images of each class have a label,
the other is tested on: no test image of the data set is looked at. Accuracy,
and balanced accuracy in brackets, mean and deviation over halves and draws.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import torch
from mmengine.logging import MMLogger

from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.cli.arguments import add_cfg_options, load_named_config
from mmcvgssl.datasets.draws import draw_shots
from mmcvgssl.evaluation.few_shot import features as data
from mmcvgssl.evaluation.few_shot.learners import (
    accuracy,
    balanced_accuracy,
    fit_probe,
)
from mmcvgssl.evaluation.few_shot.propagation import SETTINGS

Settings = dict[str, float]
PUBLISHED: Settings = {'damping': 0.99, 'power': 3, 'balance': 1}
OURS: Settings = {key: SETTINGS[key] for key in PUBLISHED}
GRID: list[Settings] = [
    {'damping': damping, 'power': power, 'balance': balance}
    for damping in (0.99, 0.95, 0.9)
    for power in (3, 6, 9)
    for balance in (1, 0.5, 0)
]
NEIGHBOURS: list[Settings] = [{**SETTINGS, 'neighbours': n} for n in (5, 20)]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='as mmcvgssl few-shot takes it')
    parser.add_argument('--checkpoint', default='teacher')
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument('--halves', type=int, default=6)
    parser.add_argument('--runs', type=int, default=6, help='draws of each')
    add_cfg_options(parser)
    return parser.parse_args()


def training_images(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Return standardised features [n, D] and labels of training images."""
    MMLogger.get_current_instance().setLevel('ERROR')
    cfg = load_named_config(args.config, args.cfg_options)
    protocol = FewShot(cfg, args.checkpoint, standardize=True)
    protocol.encoder.eval()
    with torch.inference_mode():
        rows = data.extract(
            protocol.standardized.join,
            *(protocol.train, protocol.device),
            title='training images',
        )
    rows, _ = protocol.standardized.fit_and_scale(rows, rows[:1])
    # turned into as few columns as there are images: cosines are the same
    left, sizes, _ = np.linalg.svd(rows.astype(float), full_matrices=False)
    return left * sizes, protocol.labels


def halve(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide the images of each class in two."""
    rng = np.random.default_rng(seed)
    first, second = [], []
    for index in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == index))
        first.append(rows[: len(rows) // 2])
        second.append(rows[len(rows) // 2 :])
    return np.concatenate(first), np.concatenate(second)


def main() -> None:
    """Print a table of the settings."""
    args = parse_args()
    rows, labels = training_images(args)
    found = defaultdict(list)
    kinds: list[Settings | None] = [None, *GRID, *NEIGHBOURS]
    for half in range(args.halves):
        pool, test = halve(labels, half)
        for shots in args.shots:
            for run in range(args.runs):
                seed = 1000 * half + run
                drawn = pool[draw_shots(labels[pool], shots, seed)]
                others = rows[np.setdiff1d(pool, drawn)]
                for i, kind in enumerate(kinds):
                    learned = fit_probe(
                        *(rows[drawn], labels[drawn]),
                        None if kind is None else others,
                        **(kind or {}),
                    )
                    own = learned, rows[test], labels[test]
                    figures = accuracy(*own), balanced_accuracy(*own)
                    found[i, shots].append(figures)
    print('| settings | ' + ' | '.join(f'{n}-shot' for n in args.shots), '|')
    print('| --- ' * (1 + len(args.shots)) + '|')
    for i, kind in enumerate(kinds):
        name = ', '.join(f'{k} {v}' for k, v in (kind or {}).items())
        name += ' (published)' * (kind == PUBLISHED)
        name += ' (ours)' * (kind is not None and kind == OURS)
        cells = []
        for shots in args.shots:
            values = np.array(found[i, shots])
            mean, balanced = values.mean(0)
            cells.append(
                f'{mean:.1f} ± {values[:, 0].std():.1f} ({balanced:.1f})'
            )
        print(f'| {name or "probe"} | ' + ' | '.join(cells), '|')


if __name__ == '__main__':
    main()
