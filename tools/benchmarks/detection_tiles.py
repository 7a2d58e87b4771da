"""Measure a detector on large images, with and without tiles.

Generates strips of 8,000 x 2,000 pixels with spots of 5 pixels and pieces of
such strips, trains a detector of a config on the pieces (or takes a checkpoint
of one), writes a model file for each size of tiles, predicts the strips and
prints a table. Prediction is a process of its own, whose time and memory
count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tiles import SPOT, Box, inside, measured, strip

TOOLS = Path(__file__).parents[1]
CONFIG = (
    TOOLS.parent
    / 'configs/detection/yolov8/yolov8_n_1xb16-300e_coco-format.py'
)
CLASS = 'defect'


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
    parser.add_argument('--epochs', type=int, default=30)
    parser.add_argument('--threshold', type=float, default=0.3)
    parser.add_argument(
        '--options', nargs='+', default=[], help='--cfg-options of train.py'
    )
    return parser.parse_args()


def generate(
    folder: Path, seed: int, count: int, size: tuple[int, int], spots: int
) -> dict[str, list[Box]]:
    """Write strips, and a COCO file of their spots; return these."""
    random, truth = np.random.RandomState(seed), {}
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
        truth[name] = boxes
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
    return truth


def train(args: argparse.Namespace, folder: Path) -> Path:
    """Train on pieces; return the checkpoint."""
    side = args.side
    generate(folder / 'pieces', 1, args.pieces, (side, side), 3)
    epochs, work_dir = args.epochs, folder / 'train'
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
        truth = generate(folder / 'new', 2, args.count, size, args.spots)
        checkpoint = args.checkpoint or train(args, folder)
        print(
            '| tile | spots found | false boxes an image '
            '| prediction, s an image | MiB |'
        )
        print('|---' * 5 + '|')
        for tile in args.tiles:
            print(row(args, folder, checkpoint, tile, truth), flush=True)


def row(
    args: argparse.Namespace,
    folder: Path,
    checkpoint: Path,
    tile: str,
    truth: dict[str, list[Box]],
) -> str:
    """Predict with tiles of a size; return a row of the table."""
    model, out = folder / f'{tile}.safetensors', folder / f'out_{tile}'
    command = [str(TOOLS / 'export_model.py'), str(checkpoint)]
    command += ['--out', str(model), '--score-threshold', str(args.threshold)]
    if tile != 'none':
        command += ['--tile', tile, '--overlap', args.overlap]
    measured(command)
    images = folder / 'new'
    command = [str(TOOLS / 'predict.py'), str(model), str(images)]
    command += ['--out', str(out), '--no-overlay', '--workers', '0']
    seconds, memory = measured(command)
    found = json.loads((out / 'predictions.json').read_text())['images']
    hits, false = [], []
    for each in found:
        wanted = truth[os.path.basename(each['path'])]
        boxes = [
            (x1, y1, x2 - x1, y2 - y1)
            for x1, y1, x2, y2 in (box['box'] for box in each['boxes'])
        ]
        hits += [any(inside(b, w) for b in boxes) for w in wanted]
        false.append(sum(not any(inside(b, w) for w in wanted) for b in boxes))
    return (
        f'| {tile} | {np.mean(hits):.0%} | {np.mean(false):.1f} '
        f'| {seconds / len(found):.1f} | {memory:.0f} |'
    )


if __name__ == '__main__':
    main()
