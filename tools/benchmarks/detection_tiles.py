"""Measure a detector on large images, with and without tiles.

Generates strips of 8,000 x 2,000 pixels with spots of 5 pixels and pieces of
such strips, trains a detector of a config on the pieces (or takes a checkpoint
of one), writes a model file for each size of tiles, predicts the strips and
prints a table: average precision, recall of the boxes from a threshold on, and
false boxes, at two intersections over union, as a box of 5 pixels that is off
by one has 0.47. Prediction is a process of its own, whose processor
time and memory count.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from peak import measured
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tiles import SPOT, strip

TOOLS = Path(__file__).parents[1]
CONFIG = (
    TOOLS.parent
    / 'configs/detection/yolov8/yolov8_n_1xb16-300e_coco-format.py'
)
CLASS = 'defect'
IOUS = 0.3, 0.5
LEAST = 0.01  # score of a box that counts for average precision


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', type=Path, default=CONFIG)
    parser.add_argument('--checkpoint', type=Path, help='instead of training')
    parser.add_argument(
        '--tiles', nargs='+', default=['none', '512', '256'], help='to compare'
    )
    parser.add_argument('--overlap', default='32', help='pixels')
    parser.add_argument('--size', type=int, nargs=2, default=[2000, 8000])
    parser.add_argument('--count', type=int, default=4, help='strips')
    parser.add_argument('--spots', type=int, default=10, help='a strip')
    parser.add_argument('--pieces', type=int, default=160, help='to train on')
    parser.add_argument('--side', type=int, default=256, help='of a piece')
    parser.add_argument('--epochs', type=int, default=60)
    parser.add_argument(
        '--work-dir', type=Path, help='of the training, to keep it'
    )
    parser.add_argument('--threshold', type=float, default=0.3)
    parser.add_argument(
        '--options', nargs='+', default=[], help='--cfg-options of train.py'
    )
    return parser.parse_args()


def generate(
    folder: Path, seed: int, count: int, size: tuple[int, int], spots: int
) -> None:
    """Write strips, and a COCO file of their spots."""
    random = np.random.RandomState(seed)
    folder.mkdir(parents=True)
    coco: dict[str, Any] = {
        'images': [],
        'annotations': [],
        'categories': [{'id': 1, 'name': CLASS}],
    }
    for number in range(1, count + 1):
        name = f'{number}.png'
        image, boxes = strip(random, size, spots)
        cv2.imwrite(str(folder / name), image)
        shape = {'height': size[0], 'width': size[1]}
        coco['images'].append({'id': number, 'file_name': name, **shape})
        for box in boxes:
            coco['annotations'].append(
                {
                    'id': len(coco['annotations']) + 1,
                    'image_id': number,
                    'category_id': 1,
                    'bbox': list(box),
                    'area': SPOT * SPOT,
                    'iscrowd': 0,
                }
            )
    (folder / 'coco.json').write_text(json.dumps(coco))


def train(args: argparse.Namespace, folder: Path) -> Path:
    """Train on pieces; return the checkpoint."""
    side = args.side
    generate(folder / 'pieces', 1, args.pieces, (side, side), 3)
    epochs, work_dir = args.epochs, args.work_dir or folder / 'train'
    options = [
        *(f'data_root={folder / "pieces"}', 'ann_file=coco.json'),
        *('test_ann_file=coco.json', f'train_cfg.max_epochs={epochs}'),
        f'train_cfg.val_interval={epochs}',
        f'custom_hooks.1.switch_epoch={epochs - epochs // 5}',
        f'default_hooks.param_scheduler.max_epochs={epochs}',
        f'default_hooks.checkpoint.interval={epochs}',
        *('train_dataloader.num_workers=1', *args.options),
    ]
    command = [str(TOOLS / 'train.py'), str(args.config)]
    command += ['--work-dir', str(work_dir), '--cfg-options', *options]
    subprocess.run(
        [sys.executable, *command], check=True, stdout=subprocess.DEVNULL
    )
    return work_dir / f'epoch_{epochs}.pth'


def main() -> None:
    """Print a row for each size of tiles."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = args.size[0], args.size[1]
        generate(folder / 'new', 2, args.count, size, args.spots)
        checkpoint = args.checkpoint or train(args, folder)
        at = f'from a score of {args.threshold} on'
        print(
            f'| tile | AP, IoU {IOUS[0]} | IoU {IOUS[1]} '
            f'| recall {at}, IoU {IOUS[0]} | IoU {IOUS[1]} '
            f'| false boxes an image, IoU {IOUS[0]} | IoU {IOUS[1]} '
            '| prediction, s an image | MiB |'
        )
        print('|---' * 9 + '|')
        for tile in args.tiles:
            print(row(args, folder, checkpoint, tile), flush=True)


def row(
    args: argparse.Namespace, folder: Path, checkpoint: Path, tile: str
) -> str:
    """Predict with tiles of a size; return a row of the table."""
    model, out = folder / f'{tile}.safetensors', folder / f'out_{tile}'
    command = [str(TOOLS / 'export_model.py'), str(checkpoint)]
    command += ['--out', str(model), '--score-threshold', str(LEAST)]
    if tile != 'none':
        command += ['--tile', tile, '--overlap', args.overlap]
    measured(command)
    images = folder / 'new'
    command = [str(TOOLS / 'predict.py'), str(model), str(images)]
    command += ['--out', str(out), '--no-overlay', '--workers', '0']
    seconds, memory = measured(command)
    found = json.loads((out / 'predictions.json').read_text())['images']
    boxes = {
        os.path.basename(each['path']): [
            (box['score'], *box['box']) for box in each['boxes']
        ]
        for each in found
    }
    truth = images / 'coco.json'
    precisions, _, _ = against(truth, boxes)
    _, recalls, false = against(
        truth,
        {
            name: [box for box in of_image if box[0] >= args.threshold]
            for name, of_image in boxes.items()
        },
    )
    cells = [f'{share:.1%}' for share in (*precisions, *recalls)]
    cells += [f'{number:.1f}' for number in false]
    cells += [f'{seconds / len(found):.1f}', f'{memory:.0f}']
    return f'| {tile} | {" | ".join(cells)} |'


def against(
    truth: Path, boxes: dict[str, list[tuple[float, ...]]]
) -> tuple[list[float], list[float], list[float]]:
    """Compare boxes with those of a COCO file.

    Args:
        truth: The file.
        boxes: Score, left, top, right and bottom of the boxes of each image.

    Returns:
        Average precision, recall, and false boxes an image, at each of
        ``IOUS``.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        known = {one['file_name']: i for i, one in coco.imgs.items()}
        listed = [
            {
                'image_id': known[name],
                'category_id': 1,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'score': score,
            }
            for name, of_image in boxes.items()
            for score, x1, y1, x2, y2 in of_image
        ]
        if not listed:
            nothing = [0.0] * len(IOUS)
            return nothing, nothing, nothing
        most = max(len(of_image) for of_image in boxes.values())
        judge = COCOeval(coco, coco.loadRes(listed), 'bbox')
        judge.params.iouThrs = np.array(IOUS)
        judge.params.maxDets = [most]
        judge.params.areaRng = judge.params.areaRng[:1]
        judge.params.areaRngLbl = judge.params.areaRngLbl[:1]
        judge.evaluate()
        judge.accumulate()
    # [IoU, recall, category, area, maxDets] and [IoU, category, area, maxDets]
    precisions = judge.eval['precision'][:, :, 0, 0, 0].mean(1)
    recalls = judge.eval['recall'][:, 0, 0, 0]
    false = (len(listed) - recalls * len(coco.anns)) / len(boxes)
    return precisions.tolist(), recalls.tolist(), false.tolist()


if __name__ == '__main__':
    main()
