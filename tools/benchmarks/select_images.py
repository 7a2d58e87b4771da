"""Compare choices of images to label by what a probe learns from them.

Images are chosen from all of the training list without a look at classes.
Then a logistic regression learns their labels and is tested on the whole test
list. Prints accuracy and, in brackets, balanced accuracy, mean ± standard
deviation over the draws, for each number of labels. A method with `+` chooses
in rounds: the first number by the method before it, each further one by the
method behind it, with the earlier labels known. `start` takes the first ones
of the largest choice by kmeans; `equal` draws as many of each class, which
needs the labels. With `--scores`, each method is tried without and with
anomaly scores as weights. With `--good`, the mean number of defective images
among those chosen stands behind the balanced accuracy.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score
from tqdm import tqdm

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.apis.selection.draws import EQUAL, next_round
from mmcvgssl.apis.selection.scores import score_weights
from mmcvgssl.datasets.text_lists import read_labelled
from mmcvgssl.evaluation.few_shot import draw_shots
from mmcvgssl.evaluation.few_shot.learners import class_probabilities
from mmcvgssl.selection import select
from mmcvgssl.selection.methods import METHODS, UNCERTAINTY
from mmcvgssl.user_errors import user_errors

START = 'start'
DEFAULT = (
    *('random', EQUAL, 'kcentre', 'typical', 'kmeans', START),
    *('kmeans+kmeans', 'kmeans+typical', f'kmeans+{UNCERTAINTY}'),
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('train', help='list: a path and a class index a line')
    parser.add_argument('test', help='the same of images to test on')
    parser.add_argument('--root', help="of the paths (default: the list's)")
    parser.add_argument('--features', default='package:efficientnet-lite0')
    parser.add_argument('--config', help='of a checkpoint that holds none')
    parser.add_argument('--size', type=int, help='pixels')
    parser.add_argument(
        '--budgets', type=int, nargs='+', default=[7, 14, 28, 56]
    )
    parser.add_argument('--methods', nargs='+', default=DEFAULT)
    parser.add_argument('--draws', type=int, default=10)
    parser.add_argument(
        '--scores',
        metavar='FILE',
        help='anomaly scores, as for tools/select_images.py',
    )
    parser.add_argument(
        '--good', type=int, metavar='CLASS', help='index of the good images'
    )
    args = parser.parse_args()
    for method in args.methods:
        parts = {*method.split('+')} - {START, EQUAL}
        if parts - {*METHODS} or method == UNCERTAINTY:
            parser.error(f'no method {method}; choose from {DEFAULT}')
    return args


class Comparison:
    """Features and labels of two lists.

    Args:
        args: Command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        extractor = FeatureExtractor(args.features, args.config, args.size)
        self.budgets = sorted(args.budgets)
        parts = [
            self._read(extractor, Path(file), args.root)
            for file in (args.train, args.test)
        ]
        (self.train, self.labels), (self.test, self.truth) = parts
        self.good = args.good
        self.scores = None
        if args.scores:
            root, rows = self._listed(Path(args.train), args.root)
            self.scores = score_weights(
                args.scores, root, [p for p, _ in rows]
            )

    def choices(
        self, method: str, seed: int, scores: np.ndarray | None = None
    ) -> Iterator[list[int]]:
        """Choose images for each budget, weighed by scores [n]."""
        if method == EQUAL:
            classes = len(np.unique(self.labels))
            for budget in self.budgets:
                shots = budget // classes
                yield draw_shots(self.labels, shots, seed).tolist()
            return
        if method == START:
            whole = select(
                self.train, self.budgets[-1], seed=seed, weights=scores
            )
            yield from (whole[:budget] for budget in self.budgets)
            return
        first, _, later = method.partition('+')
        known: list[int] = []
        for budget in self.budgets:
            if known and later:
                count = budget - len(known)
                known = known + next_round(
                    *(self.train, self.labels, known, count, later, seed),
                    scores,
                )
            else:
                known = select(self.train, budget, first, seed, (), scores)
            yield known

    def score(self, chosen: list[int]) -> tuple[float, float]:
        """Return accuracy and balanced accuracy of a probe, percent."""
        labels = self.labels[chosen]
        named = np.unique(labels)
        predicted = np.full(len(self.truth), named[0])
        if len(named) > 1:
            found = class_probabilities(self.train[chosen], labels, self.test)
            predicted = named[found.argmax(axis=1)]
        with warnings.catch_warnings():  # of classes that nothing learned
            warnings.simplefilter('ignore', UserWarning)
            balanced = balanced_accuracy_score(self.truth, predicted)
        return 100 * np.mean(predicted == self.truth), 100 * balanced

    def row(self, method: str, draws: int, scored: bool = False) -> str:
        """Return a row of the table."""
        scores = self.scores if scored else None
        name = f'{method}, scores' if scored else method
        values = np.array(
            [
                [
                    (*self.score(chosen), self._defective(chosen))
                    for chosen in self.choices(method, seed, scores)
                ]
                for seed in tqdm(range(draws), desc=name, leave=False)
            ]
        )
        mean, std = values.mean(axis=0), values.std(axis=0)
        cells = [
            f'{m[0]:.1f} ± {s[0]:.1f} ({m[1]:.1f}'
            f'{"" if self.good is None else f"; {m[2]:.1f}"})'
            for m, s in zip(mean, std, strict=True)
        ]
        return f'| {name} | {" | ".join(cells)} |'

    def _defective(self, chosen: list[int]) -> int:
        return int((self.labels[chosen] != self.good).sum())

    @staticmethod
    def _listed(
        file: Path, root: str | None
    ) -> tuple[Path, list[tuple[str, int]]]:
        home = Path(root) if root else file.parent
        return home, read_labelled(file, home)

    def _read(
        self, extractor: FeatureExtractor, file: Path, root: str | None
    ) -> tuple[np.ndarray, np.ndarray]:
        home, rows = self._listed(file, root)
        found = extractor([home / path for path, _ in rows])
        if found.errors:
            raise ValueError(f'{file}: {next(iter(found.errors.values()))}')
        return found.rows, np.array([label for _, label in rows])


def main() -> None:
    """Print the table."""
    args = parse_args()
    with user_errors():
        comparison = Comparison(args)
        budgets = comparison.budgets
        print(f'| labels | {" | ".join(map(str, budgets))} |')
        print(f'|---|{"---|" * len(budgets)}')
        for method in args.methods:
            for scored in (False, True) if args.scores else (False,):
                if scored and method == EQUAL:
                    continue  # is drawn by labels alone
                row = comparison.row(method, args.draws, scored)
                print(row, flush=True)


if __name__ == '__main__':
    main()
