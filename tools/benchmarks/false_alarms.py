"""Compare wanted and realised false alarms on good test images.

The model of a config is fitted once (and trained, if the config trains one)
and scores the test images once; from the good scores that nothing has learned
from, a threshold is chosen for each wanted rate. The range of false alarms to
expect among the good test images is that of the beta-binomial distribution,
which knows of the chance in both samples. Prints a row of a Markdown table
for each rate, and the grey values of the good images, fitted to and tested: a
promise holds for images that are alike. `--test-gain` lights the test images
as those to fit to are lit, to see what their light alone has changed.
"""

import argparse
import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope
from scipy.stats import betabinom
from torch.utils.data import DataLoader

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.one_class.holdout import hold_out
from mmcvgssl.apis.one_class.run import (
    check_apart,
    detector_config,
    for_category,
    train_category,
)
from mmcvgssl.cli.arguments import add_run_options, load_run_config
from mmcvgssl.engine.fit_loader import fit_loader, holdout_loader
from mmcvgssl.evaluation.operating_point import (
    OperatingPoint,
    calls_defective,
    operating_point,
)
from mmcvgssl.models.anomaly import AnomalyModel, OneClassDetector
from mmcvgssl.models.anomaly.threshold_choice import IN_SAMPLE
from mmcvgssl.registry import MODELS
from mmcvgssl.user_errors import user_errors

HEAD = (
    '| model | wanted, % | method, good images | interval, % | realised, % '
    '| to expect | detected, % |\n|---|---|---|---|---|---|---|'
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='one of configs/anomaly')
    parser.add_argument(
        '--rates', type=float, nargs='+', default=[0.01, 0.05, 0.1]
    )
    parser.add_argument('--category', default='', help='of the data set')
    parser.add_argument('--name', help='of the model in the table')
    parser.add_argument('--work-dir', help='of a training')
    parser.add_argument(
        '--test-gain',
        type=above_0,
        default=1.0,
        help='factor of the values of test images, rounded, at most 255',
    )
    add_run_options(parser)
    return parser.parse_args()


def above_0(text: str) -> float:
    """Read a finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(
            f'expected a number above 0, got {text}; 1 changes nothing'
        )
    return value


def build(cfg: Config, work_dir: Path, rate: float) -> AnomalyModel:
    """Build the model; train its backbone, if the config does."""
    checkpoint = None
    if cfg.get('detector'):
        checkpoint = train_category(cfg, work_dir / 'train')
    config = detector_config(cfg, checkpoint)
    return MODELS.build({**config, 'false_alarm_rate': rate})


def fit(model: AnomalyModel, cfg: Config) -> np.ndarray:
    """Fit the model; return the good scores that a threshold comes from."""
    seen: list[np.ndarray] = []
    choose = model.set_threshold

    def set_threshold(good_scores: torch.Tensor, *how, **more) -> None:
        seen.append(good_scores.cpu().double().numpy())
        choose(good_scores, *how, **more)

    model.set_threshold = set_threshold  # type: ignore[method-assign]
    loader = fit_loader(cfg.fit_dataloader.to_dict(), model)
    model.fit(loader, holdout_loader(cfg, model))
    return seen[-1]


def brighten(results: dict[str, Any], gain: float) -> dict[str, Any]:
    """Multiply an image's values; mmpretrain's Brightness cuts fractions."""
    results['img'] = cv2.convertScaleAbs(results['img'], alpha=gain)
    return results


def loader_of_test(cfg: Config, gain: float) -> DataLoader:
    """Make a loader over the test images, without their masks.

    Args:
        cfg: Config of the run.
        gain: Factor of the values of the images, as they are read.
    """
    options = cfg.test_dataloader.dataset.to_dict()
    steps = options['pipeline']
    options['pipeline'] = [
        step for step in steps if not step['type'].endswith('LoadMask')
    ]
    options['pipeline'][-1]['algorithm_keys'] = ()
    if gain != 1:
        options['pipeline'].insert(1, partial(brighten, gain=gain))
    return DataLoader(
        DATASETS.build(options),
        cfg.test_dataloader.get('batch_size', 16),
        num_workers=cfg.test_dataloader.get('num_workers', 0),
        collate_fn=pseudo_collate,
    )


def score(
    model: AnomalyModel, loader: DataLoader
) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and labels of the test images."""
    scores, labels = [], []
    for batch in loader:
        for sample in model.test_step(batch):
            scores.append(float(sample.anomaly_score))
            labels.append(int(sample.gt_label) != 0)
    return np.array(scores), np.array(labels)


def greys(loader: DataLoader) -> np.ndarray:
    """Return the mean grey value of each good image, as the model sees it."""
    return np.array(
        [
            float(image.float().mean())
            for batch in loader
            for image, sample in zip(
                batch['inputs'], batch['data_samples'], strict=True
            )
            if 'gt_label' not in sample or int(sample.gt_label) == 0
        ]
    )


def row(
    name: str,
    rate: float,
    method: str,
    good: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
) -> str:
    """Return a row of the table."""
    start = f'| {name} | {100 * rate:g} | {method}, {len(good)}'
    try:
        point = operating_point(good, rate)
    except ValueError as error:
        return f'{start} | not possible: {error} | | | |'
    above = calls_defective(scores, point.threshold)
    false, n = int(above[~labels].sum()), int((~labels).sum())
    low, high = expected(point, n)
    inside = '' if low <= false <= high else ' **(outside)**'
    interval = ' to '.join(f'{100 * value:.1f}' for value in point.interval)
    if method == IN_SAMPLE:  # its scores promise nothing
        interval, inside = 'unknown', ''
    return (
        f'{start} | {interval} | {100 * false / n:.1f} ({false} of {n}) | '
        f'{low} to {high} of {n}{inside} | {100 * above[labels].mean():.1f} |'
    )


def expected(point: OperatingPoint, n: int) -> tuple[int, int]:
    """Return the range of false alarms among n good images, by 95 %."""
    above = round(point.false_alarm_rate * (point.n + 1)) - 1
    law = betabinom(n, above + 1, point.n - above)
    return int(law.ppf(0.025)), int(law.ppf(0.975))


def main() -> None:
    """Fit once, score once, and print a row for each rate."""
    args = parse_args()
    with user_errors():
        cfg = load_run_config(args)
        init_default_scope(cfg.get('default_scope', 'mmpretrain'))
        cfg = for_category(cfg, args.category)
        check_apart(cfg)
        # the loosest rate needs the fewest images
        rate = max(args.rates)
        detector = 'detector' if cfg.get('detector') else 'model'
        cfg[detector].false_alarm_rate = rate
        if cfg.get('detector'):
            cfg = hold_out(cfg)
        start = time.monotonic()
        model = build(cfg, Path(cfg.work_dir), rate)
        if isinstance(model, OneClassDetector):  # trained on these images
            model.knows_fit_images = bool(cfg.get('detector'))
        model.to('cuda' if torch.cuda.is_available() else 'cpu')
        good = fit(model, cfg)
        tests = loader_of_test(cfg, args.test_gain)
        scores, labels = score(model, tests)
        fitted = greys(fit_loader(cfg.fit_dataloader.to_dict(), model))
        tested = greys(tests)
    name = args.name or Path(args.config).stem
    print(HEAD)
    for rate in args.rates:
        method = model.chosen['method']
        print(row(name, rate, method, good, scores, labels))
    print(
        'mean grey of good images: '
        f'{fitted.mean():.1f} ± {fitted.std():.1f} fitted to, '
        f'{tested.mean():.1f} ± {tested.std():.1f} tested'
    )
    print(f'{time.monotonic() - start:.0f} s')


if __name__ == '__main__':
    main()
