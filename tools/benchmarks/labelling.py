"""Measure what labelling on the page of mmcvgssl serve costs and gives.

All images of a folder with one folder a class are taken without labels. In
each round those that the page puts in front get their true labels; beside it
as many get theirs at random. Prints seconds to learn and to order anew, and
the accuracy on the images without a label, for each number of labels.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.apis.labelling import Labelling
from mmcvgssl.apis.opinion import Opinion
from mmcvgssl.apis.remembered_features import RememberedFeatures
from mmcvgssl.datasets.image_folders import class_folders, images_below
from mmcvgssl.user_errors import user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('images', type=Path, help='one folder a class')
    parser.add_argument('--backbone', default='package:efficientnet-lite0')
    parser.add_argument('--size', type=int, help='pixels')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seed', type=int, default=0, help='of the draws')
    return parser.parse_args()


def accuracy(
    labelling: Labelling, opinion: Opinion, truth: dict[str, str]
) -> float:
    """Return the accuracy on images without a label in percent."""
    rest = [p for p in opinion.predictions if p not in labelling.labels]
    hits = [opinion.predictions[p].label == truth[p] for p in rest]
    return 100 * float(np.mean(hits)) if hits else float('nan')


def assign(labelling: Labelling, paths: list[str], truth: dict) -> None:
    """Give images their true labels."""
    for name in sorted({truth[path] for path in paths}):
        labelling.assign([p for p in paths if truth[p] == name], name)


def main() -> None:
    """Label in rounds."""
    args = parse_args()
    with user_errors():
        truth = {
            str(args.images / name / path): name
            for name in class_folders(args.images)
            for path in images_below(args.images / name)
        }
        features = RememberedFeatures(
            FeatureExtractor(args.backbone, size=args.size)
        )
        ours, drawn = Labelling(features), Labelling(features)
        began = time.perf_counter()
        ours.add([*truth])
        seconds = time.perf_counter() - began
        print(f'{len(truth)} images, features in {seconds:.1f} s')
        drawn.add([*truth])
        order = np.random.RandomState(args.seed).permutation([*truth])
        opinion = ours.learn()
        print('labels  seconds  accuracy  at random')
        for _ in range(args.rounds):
            chosen = opinion.order[: opinion.chosen]
            if not chosen:
                break
            assign(ours, chosen, truth)
            first = len(drawn.labels)
            assign(drawn, order[first:][: len(chosen)].tolist(), truth)
            began = time.perf_counter()
            opinion = ours.learn()
            seconds = time.perf_counter() - began
            print(
                f'{len(ours.labels):6}  {seconds:7.2f}  '
                f'{accuracy(ours, opinion, truth):8.1f}  '
                f'{accuracy(drawn, drawn.learn(), truth):9.1f}'
            )


if __name__ == '__main__':
    main()
