"""Tiny trees of good and defective images, and options for tiny runs."""

from pathlib import Path

import cv2
import numpy as np

from tests.data import CONFIGS, picture

SIDE = 40
RECIPES = CONFIGS / 'anomaly/cutpaste'
LITE = RECIPES / 'cutpaste-3way_resnet18_lite_mvtec.py'


def save(path: Path, seed: int, spot: bool = False) -> None:
    """Write a picture of the same class of stripes, perhaps with a spot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.asarray(picture(3 * seed, SIDE)).copy()
    if spot:
        image[8:24, 10:30] = 255
    cv2.imwrite(str(path), image)


def save_mask(path: Path) -> None:
    """Write the mask of the spot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:24, 10:30] = 255
    cv2.imwrite(str(path), mask)


def write_mvtec(
    root: Path, defects=('dent',), names=('bolt', 'nut'), tested: int = 3
) -> Path:
    """Write ten good images to train on and a few to test on, each."""
    for k, name in enumerate(names):
        for i in range(10):
            save(root / name / f'train/good/{i}.png', 100 * k + i)
        for i in range(tested):
            save(root / name / f'test/good/{i}.png', 100 * k + 50 + i)
            for defect in defects:
                file = root / name / f'test/{defect}/{i}.png'
                save(file, 100 * k + 60 + i, spot=True)
                masks = root / name / f'ground_truth/{defect}'
                save_mask(masks / f'{i}_mask.png')
    return root


def write_magnetic_tile(root: Path) -> Path:
    """Write tiles with masks beside them, and lists."""
    for i in range(10):
        save(root / f'MT_Free/Imgs/{i}.jpg', i)
    for i in range(3):
        save(root / f'MT_Free/Imgs/t{i}.jpg', 50 + i)
        save(root / f'MT_Crack/Imgs/{i}.jpg', 60 + i, spot=True)
        save_mask(root / f'MT_Crack/Imgs/{i}.png')
    _lists(root, 'MT_Free/Imgs', 'MT_Crack/Imgs', 'jpg')
    return root


def write_folder(root: Path) -> Path:
    """Write a folder of good images, one of dents, and lists."""
    for i in range(10):
        save(root / f'good/{i}.png', i)
    for i in range(3):
        save(root / f'good/t{i}.png', 50 + i)
        save(root / f'dent/{i}.png', 60 + i, spot=True)
    _lists(root, 'good', 'dent', 'png')
    return root


def _lists(root: Path, good: str, bad: str, end: str) -> None:
    train = [f'{good}/{i}.{end} 0\n' for i in range(10)]
    test = [f'{good}/t{i}.{end} 0\n{bad}/{i}.{end} 1\n' for i in range(3)]
    for name, lines in (('train', train), ('test', test)):
        path = root / 'mmcvgssl' / f'{name}.txt'
        path.parent.mkdir(exist_ok=True)
        path.write_text(''.join(lines))


def tiny_options(root: Path, trains: bool = True) -> dict:
    """Return options that make a recipe quick."""
    options = {'data_root': str(root), 'input_size': 32}
    parts = ['fit', 'test']
    if trains:
        parts.append('train')
        options |= {
            'batch_size': 4,
            'train_cfg.max_epochs': 2,
            'train_dataloader.sampler.updates': 2,
            'train_dataloader.persistent_workers': False,
            'default_hooks.checkpoint.interval': 1,
            'detector.false_alarm_rate': 0.1,
            'detector.holdout': 0,
        }
    options |= {f'{part}_dataloader.num_workers': 0 for part in parts}
    return options


def narrow(prefix: str = 'model.backbone') -> dict:
    """Return options of a narrow ResNet-18, whose last level has 32."""
    return {f'{prefix}.base_channels': 4, f'{prefix}.stem_channels': 4}
