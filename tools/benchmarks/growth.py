"""How the cost of each command grows with the number of images.

    python tools/benchmarks/growth.py --counts 1000 10000 100000 --out growth

Writes that many images of 64 pixels, all different, and runs the commands one
after another, with one thread in each process. States for each the processor's
seconds, the peak memory of its largest process and, between the two largest
counts, the exponent of time: 1 is linear. `growth.json` keeps each figure as
soon as it is there, and the command goes on where it was stopped; `growth.md`
and `growth.png` show them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from peak import measured
from tqdm import tqdm

from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.maps import MapFolder
from mmcvgssl.maps.writer import MapWriter
from mmcvgssl.provenance import FileState
from mmcvgssl.utils import atomic_write

mpl.use('agg')
import matplotlib.pyplot as plt

SIDE, CLASSES, PER_FOLDER = 64, 7, 1000
LAST = 1000  # images whose maps are made where all others have theirs
MORE = f'maps of {LAST:,} images more'
SIMCLR = 'simclr_resnet18_1xb64-100e_folder'
ONE_UPDATE = (
    "train_dataloader.sampler=dict(_delete_=True,type='mmcvgssl.UpdateSampler',"
    'updates=1,batch_size=64)',
    'train_cfg.val_begin=2',  # none
)
Command = Callable[[Path], list[str]]


def pretrain(out: Path, *options: str) -> list[str]:
    """Return the command of one epoch of SimCLR on small views."""
    return [
        *('train', SIMCLR, '--work-dir', str(out), '--cfg-options'),
        *(f'data_root={out.parent / "images"}', f'view_size={SIDE // 2}'),
        *('train_cfg.max_epochs=1', 'train_dataloader.num_workers=1'),
        *options,
    ]


def check(folder: Path, *options: str) -> list[str]:
    """Return the command of a check."""
    return [
        *('check', str(folder / 'images'), *options),
        *('--fail-on', 'never', '--out', str(folder / 'checked')),
    ]


# what is measured, in this order: later commands read what earlier ones wrote
COMMANDS: dict[str, Command] = {
    'start of a pretraining, one update': lambda f: pretrain(
        f / 'start', *ONE_UPDATE
    ),
    'start, an epoch of SimCLR and its validation': lambda f: pretrain(
        f / 'epoch'
    ),
    'lists of a folder': lambda f: ['prepare', 'folder', str(f / 'images')],
    'few-shot evaluation, 2 draws': lambda f: [
        *('few-shot', SIMCLR, '--checkpoint', 'none', '--shots', '4'),
        *('--runs', '2', '--work-dir', str(f / 'few_shot'), '--cfg-options'),
        *(f'data_root={f / "images"}', f'view_size={SIDE // 2}'),
    ],
    'check, labels apart': lambda f: check(f, '--features', 'none'),
    'check': lambda f: check(f, '--size', str(SIDE)),
    'select 100': lambda f: [
        *('select', str(f / 'images'), '--budget', '100', '--features'),
        *('package:efficientnet-lite0', '--size', str(SIDE)),
        *('--out', str(f / 'selected')),
    ],
    'fit of PatchCore': lambda f: [
        *('fit', 'patchcore_lite0_folder', '--images', str(f / 'images')),
        *('--out', str(f / 'model.safetensors')),
        *('--work-dir', str(f / 'fit'), '--cfg-options'),
        *(f'input_size={SIDE}', 'good_names=[c0,c1,c2,c3,c4,c5,c6]'),
        # a memory that is full at any count
        *('model.coreset_size=1000', 'model.pool_size=10000'),
    ],
    'maps': lambda f: [
        *('maps', str(f / 'model.safetensors')),
        *('--images', str(f / 'images'), '--out', str(f / 'maps')),
    ],
    MORE: lambda f: [
        *('maps', str(f.parent / f'{LAST}/model.safetensors')),
        *('--images', str(f / 'images'), '--out', str(f / 'more')),
    ],
    'boxes': lambda f: [
        *('boxes', str(f / 'more'), str(f / 'images')),
        *('--out', str(f / 'boxes/annotations.json')),
    ],
    'predictions': lambda f: [
        *('predict', str(f / 'model.safetensors'), str(f / 'images')),
        *('--no-overlay', '--out', str(f / 'predictions')),
    ],
    'report': lambda f: [
        *('report', str(f / 'predictions'), str(f / 'boxes')),
        *('--out', str(f / 'report.html')),
    ],
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--counts', type=int, nargs='+', default=[1_000, 10_000, 100_000]
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/growth'))
    parser.add_argument(
        '--only', nargs='+', choices=COMMANDS, help='these commands'
    )
    return parser.parse_args()


def write_images(folder: Path, count: int) -> None:
    """Write surfaces of 7 kinds, in folders by kind, of 1,000 each at most."""
    whole = folder.with_suffix('.whole')
    if whole.is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    for i in tqdm(range(count), desc=f'{count} images', leave=False):
        kind = i % CLASSES
        random = np.random.default_rng(i)
        coarse = random.normal(128, 12 + 4 * kind, (4 + kind, 4 + kind))
        image = cv2.resize(coarse, (SIDE, SIDE))
        image += random.normal(0, 6, image.shape)
        inner = folder / f'c{kind}' / str(i // CLASSES // PER_FOLDER)
        inner.mkdir(parents=True, exist_ok=True)
        grey = image.clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(inner / f'{i}.png'), grey)
    atomic_write(whole, b'')


def give_maps(folder: Path) -> None:
    """Give all images but the last ones a map, copies of that of the first.

    To compute them all takes long, and reading, comparing and listing what is
    there is what could grow faster than their number.
    """
    out, images = folder / 'more', folder / 'images'
    shutil.rmtree(out, ignore_errors=True)
    names = images_below(images)[:-LAST]
    if not names:
        return
    one = folder / 'one.txt'
    one.write_text(f'{names[0]}\n')
    command = COMMANDS[MORE](folder)
    command[command.index('--images') + 1] = str(one)
    measured(['-m', 'mmcvgssl', *command, '--root', str(images)])
    maps = MapFolder(out)
    first = maps[names[0]]
    values = maps.load_map(first.path)
    with MapWriter(out) as writer:
        for name in names[1:]:
            state = FileState.of(images / name)
            writer.write(name, values, first.size, first.score, state)


def exponent(found: dict[int, tuple[float, float]]) -> float:
    """Return by what power of the number of images the time grows."""
    few, many = sorted(found)[-2:]
    return math.log(found[many][0] / found[few][0]) / math.log(many / few)


def table(rows: dict[str, dict[int, tuple[float, float]]]) -> str:
    """Return the figures as Markdown."""
    counts = sorted({count for found in rows.values() for count in found})
    head = ' | '.join(f'{count:,} images' for count in counts)
    lines = [f'| | {head} | exponent |', '|---' * (len(counts) + 2) + '|']
    for name, found in rows.items():
        cells = [
            f'{found[count][0]:,.0f} s, {found[count][1]:,.0f} MiB'
            if count in found
            else '–'
            for count in counts
        ]
        grown = f'{exponent(found):.2f}' if len(found) > 1 else '–'
        lines.append(f'| {name} | {" | ".join(cells)} | {grown} |')
    return '\n'.join(lines)


def plot(rows: dict[str, dict[int, tuple[float, float]]], path: Path) -> None:
    """Draw seconds and memory against the number of images."""
    figure, axes = plt.subplots(
        1, 2, figsize=(12, 4.5), constrained_layout=True
    )
    for axis, index, label in (
        (axes[0], 0, "processor's seconds"),
        (axes[1], 1, 'peak memory, MiB'),
    ):
        for number, (name, found) in enumerate(rows.items()):
            counts = sorted(found)
            values = [found[count][index] for count in counts]
            axis.plot(
                *(counts, values),
                marker='o',
                color=mpl.colormaps['tab20'](number),
                label=name,
            )
        axis.set(xscale='log', xlabel='images', ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].set_yscale('log')
    axes[1].set_ylim(bottom=0)
    axes[1].legend(fontsize=8, loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Run what is not there yet."""
    args = parse_args()
    # threads that wait for each other count as work where cores are taken
    os.environ['OMP_NUM_THREADS'] = '1'
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / 'growth.json'
    known = json.loads(file.read_text()) if file.is_file() else {}
    rows = {
        name: {int(n): tuple(v) for n, v in known.get(name, {}).items()}
        for name in args.only or COMMANDS
    }
    for count in sorted(args.counts):
        folder = (args.out / str(count)).resolve()
        write_images(folder / 'images', count)
        for name, found in rows.items():
            if count not in found:
                if name == MORE:
                    give_maps(folder)
                words = ['-m', 'mmcvgssl', *COMMANDS[name](folder)]
                found[count] = measured(words)
                known.setdefault(name, {})[str(count)] = found[count]
                atomic_write(file, json.dumps(known, indent=1).encode())
                print(f'{count}: {name}: {found[count]}', flush=True)
    text = table({name: found for name, found in rows.items() if found})
    atomic_write(args.out / 'growth.md', f'{text}\n'.encode())
    plot(rows, args.out / 'growth.png')
    print(text)


if __name__ == '__main__':
    main()
