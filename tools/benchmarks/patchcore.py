"""Compare PatchCore with a plain one and, if it is there, anomalib's.

Each fits to images and predicts as many others, which are in memory, with the
same network and weights, the paper's neighbourhoods and re-weighted scores,
and a coreset of the same size: ours, one that takes a patch at a time and
tables of all distances, and the model of anomalib, if it is installed. Each
is timed in processes of its own, in turn. With images of an object the image
AUROC of each is said, too; a coreset begins with a patch drawn by the round,
and with `--share 1` all patches are kept, so that nothing is drawn.
"""

import argparse
import importlib.util
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from anomaly_maps import textures
from mmpretrain.structures import DataSample
from plain_coreset import plain_coreset
from sklearn.metrics import roc_auc_score
from torch import Tensor
from turns import (
    clock,
    device,
    in_turns,
    peaks,
    print_table,
    ratio,
    say,
)

from mmcvgssl.apis.predict import find_images
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.models import TimmTeacher
from mmcvgssl.models.anomaly import PatchCore
from mmcvgssl.models.anomaly.patch_features import as_rows

LEVELS = 2, 3
PLAIN, OURS, ANOMALIB = 'plain', 'ours', 'anomalib'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--count', type=int, default=32)
    parser.add_argument('--size', type=int, default=256, help='pixels')
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--share', type=int, default=10, help='one of so many patches is kept'
    )
    parser.add_argument(
        '--count-include-pad',
        action=argparse.BooleanOptionalAction,
        default=True,
        help='zeros beyond the borders in averages; anomalib always has them',
    )
    parser.add_argument(
        '--object', type=Path, help="folder of MVTec's: train/good, test/..."
    )
    return parser.parse_args()


def make(args: argparse.Namespace) -> PatchCore:
    """Make a model to fit."""
    teacher = TimmTeacher(
        weights='package:efficientnet-lite0',
        levels=LEVELS,
        input_size=args.size,
    )
    patches = args.count * (args.size // 8) ** 2
    model = PatchCore(
        teacher,
        coreset_size=patches // args.share,
        pool_size=patches,
        reweight=9,
        normalise=False,
        count_include_pad=args.count_include_pad,
        seed=args.round,
    )
    return model.to(device())


def batches(args: argparse.Namespace, seed: int) -> list[Tensor]:
    """Make images uint8 [N, 3, size, size], in batches."""
    made = textures(args.count, args.size, seed)
    return list((made * 255).to(torch.uint8).split(args.batch_size))


def read(paths: list[Path], args: argparse.Namespace) -> list[Tensor]:
    """Read images as those that are made, in batches."""
    size = args.size, args.size
    images = [
        cv2.resize(
            read_image(path)[..., ::-1], size, interpolation=cv2.INTER_AREA
        )
        for path in paths
    ]
    made = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return list(made.contiguous().to(device()).split(args.batch_size))


def given(
    args: argparse.Namespace,
) -> tuple[list[Tensor], list[Tensor], list[int]]:
    """Return images to fit to, others, and which of these are defective."""
    if args.object is None:
        return batches(args, 0), batches(args, 1), []
    known = find_images(args.object / 'train/good')[: args.count]
    new = find_images(args.object / 'test')
    truth = [int(path.parent.name != 'good') for path in new]
    return read(known, args), read(new, args), truth


def run_ours(
    model: PatchCore, known: list[Tensor], new: list[Tensor], share: int
) -> Tensor:
    """Fit and predict as this package does; return scores."""
    model.fit(
        [
            dict(inputs=list(part), data_samples=[DataSample() for _ in part])
            for part in known
        ]
    )
    return torch.cat([model.predict_maps(part / 255)[1] for part in new])


def run_plain(
    model: PatchCore, known: list[Tensor], new: list[Tensor], share: int
) -> Tensor:
    """Fit and predict patch by patch and by a table of all distances."""
    rows = torch.cat([as_rows(model.features(part / 255)) for part in known])
    memory = rows
    if share > 1:
        memory = rows[plain_coreset(rows, len(rows) // share, 0)]
    scores = []
    for part in new:
        patches = as_rows(model.features(part / 255))
        found = torch.cdist(patches, memory).min(1)
        values, at = found.values.view(len(part), -1).max(1)
        at += torch.arange(len(part)) * len(patches) // len(part)
        near = memory[found.indices[at]]
        around = torch.cdist(near, memory).topk(9, largest=False).indices
        own = torch.cdist(patches[at][:, None], memory[around])[:, 0]
        scores.append(values * (1 - own.softmax(1)[:, 0]))
    return torch.cat(scores)


def run_anomalib(
    model: PatchCore, known: list[Tensor], new: list[Tensor], share: int
) -> Tensor:
    """Fit and predict as anomalib does."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    teacher = model.features.teacher
    theirs = PatchcoreModel(
        [teacher.tower.feature_info[level]['module'] for level in LEVELS],
        'tf_efficientnet_lite0',
        pre_trained=False,
    ).to(device())
    missing, _ = theirs.feature_extractor.feature_extractor.load_state_dict(
        teacher.tower.state_dict(), strict=False
    )
    if missing:
        raise SystemExit(f'anomalib has layers that ours has not: {missing}')
    theirs.train()
    theirs.feature_extractor.eval()
    for part in known:
        theirs(teacher.preprocess(part / 255))
    if share > 1:
        theirs.subsample_embedding(1 / share)
    else:
        theirs.memory_bank = torch.vstack(theirs.embedding_store)
    theirs.eval()
    scores = [theirs(teacher.preprocess(p / 255)).pred_score for p in new]
    return torch.cat([each.flatten() for each in scores])


RUNS = {PLAIN: run_plain, OURS: run_ours, ANOMALIB: run_anomalib}


@torch.no_grad()
def measure(args: argparse.Namespace, kind: str) -> dict:
    """Return images a second, fitted to and predicted."""
    model = make(args)
    known, new, truth = given(args)
    torch.manual_seed(args.round)
    run = partial(RUNS[kind], model, share=args.share)
    run([known[0][:2]], [new[0][:2]])  # imports, warms up
    start = clock()
    scores = run(known, new)
    seconds = clock() - start
    found = {'rate': sum(map(len, known)) / seconds, **peaks()}
    if truth:
        found['auroc'] = float(roc_auc_score(truth, scores.cpu()))
    return found


def main() -> None:
    """Measure in turn and print medians and ratios."""
    args = parse_args()
    kinds = [PLAIN, OURS]
    if importlib.util.find_spec('anomalib'):
        kinds.append(ANOMALIB)
    else:
        print('anomalib is not installed: beside a plain one alone')
    found = in_turns(measure, args, kinds)
    print_table(found, PLAIN)
    values = {
        f'times {kind}': ratio(found, OURS, kind)
        for kind in kinds
        if kind != OURS
    }
    for kind in kinds if args.object else ():
        each = [row['auroc'] for row in found[kind]]
        mean, std = np.mean(each), np.std(each)
        print(f'image AUROC, {kind}: {mean:.4f} +- {std:.4f} over the rounds')
        values[f'image AUROC, {kind}'] = float(mean)
    say(values)


if __name__ == '__main__':
    main()
