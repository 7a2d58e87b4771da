"""Magnetic tiles: good and defective images, masks beside them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import EXTENSIONS
from mmcvgssl.datasets.layouts import (
    CLASSES,
    DEFECT,
    GOOD,
    MaskBesideLayout,
    Sample,
)
from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Item,
    Preparation,
    Prepared,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import check_root, images_besides
from mmcvgssl.datasets.preparation.mask_boxes import boxes_of_sample
from mmcvgssl.datasets.preparation.masks import mask_notes
from mmcvgssl.datasets.preparation.splits import (
    IN_NO_LIST,
    stratified_split,
)
from mmcvgssl.datasets.preparation.voc import to_coco
from mmcvgssl.datasets.text_lists import add_encoding

GOOD_FOLDER = 'MT_Free'
BOXES = ('defects_train.json', 'defects_test.json')
UNLABELLED = 'detection_unlabelled.txt'
FIXED = {'train': 'train_good.txt', 'test': 'test.txt'}


def prepare_magnetic_tile(
    root: str | Path,
    out: str | Path | None = None,
    splits: str | Path | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
    encoding: str = '',
) -> Prepared:
    """Write the lists of the magnetic tiles: train on good, test on all.

    Source: Huang, Qiu and Yuan, "Surface defect saliency of magnetic tile",
    2020, https://github.com/abin24/Magnetic-tile-defect-datasets.

    Args:
        root: Folder of ``MT_Free`` and the defects' folders.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        splits: Folder of a fixed ``train_good.txt`` and ``test.txt``; by
            default ``root``, if they are there.
        test_fraction: Share to test on: of the good images, where no split is
            fixed, and of each defect in ``defects_train.json`` and
            ``defects_test.json``, boxes around the masks for detectors.
            Detectors may be pretrained on ``detection_unlabelled.txt``: good
            and defective images that none of them is tested on.
        seed: Seed of the draws.
        encoding: Encoding of fixed lists; by default UTF-8, or what a byte
            order mark says.

    Raises:
        FileNotFoundError: If a folder, list or image is missing.
        ValueError: If tree, list or a mask is not as expected.
    """
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    contents = Contents(str(root))
    images = images_besides(root, out, contents)
    layout = MaskBesideLayout(
        root, [GOOD_FOLDER], EXTENSIONS, images, contents
    )
    samples = layout.walked('test')
    if all(sample.label == GOOD for sample in samples):
        raise layout.error(f'{root}: no defective images.')
    divided = _fixed(layout, samples, root, out, splits, encoding)
    if divided is None:
        good = [s for s in samples if s.label == GOOD]
        train, rest = stratified_split([GOOD] * len(good), test_fraction, seed)
        divided = {
            'train': [good[i] for i in train],
            'test': [good[i] for i in rest]
            + [s for s in samples if s.label == DEFECT],
        }
    listed = {s.path for part in divided.values() for s in part}
    notes = [f'test: {_count(divided["test"])}']
    notes += mask_notes(root, samples)
    unlisted = [s.path for s in samples if s.path not in listed]
    contents.leave_out(IN_NO_LIST, *unlisted)
    notes += notes_of(contents)
    items: dict[str, list[Item]] = {
        name: [(s.path, int(s.label == DEFECT)) for s in part]
        for name, part in divided.items()
    }
    documents = _boxes(root, samples, test_fraction, seed)
    notes += [
        f'{name}: {len(found["annotations"])} boxes around the masks of '
        f'{len(found["images"])} defective images'
        for name, found in documents.items()
    ]
    defective = [image['file_name'] for image in documents[BOXES[0]]['images']]
    more = {name: [json.dumps(found)] for name, found in documents.items()}
    more[UNLABELLED] = [path for path, _ in items['train']] + defective
    return write_annotations(Prepared(root, out, CLASSES, items, notes), more)


def _boxes(
    root: Path, samples: Sequence[Sample], test_fraction: float, seed: int
) -> dict[str, dict]:
    """Divide the defects by class, as COCO, for detectors.

    Images without a box around any pixel of their mask are left out.
    """
    defects = [s for s in samples if s.label == DEFECT]
    boxes = {s.path: boxes_of_sample(root, s) for s in defects}
    defects = [s for s in defects if boxes[s.path].objects]
    names = sorted({s.defect for s in defects})
    sides = stratified_split([s.defect for s in defects], test_fraction, seed)
    return {
        file: to_coco(
            [defects[i].path for i in side], boxes, names, 'magnetic tiles'
        )
        for file, side in zip(BOXES, sides, strict=True)
    }


def _fixed(
    layout: MaskBesideLayout,
    samples: Sequence[Sample],
    root: Path,
    out: Path,
    splits: str | Path | None,
    encoding: str,
) -> dict[str, list[Sample]] | None:
    """Read the fixed lists; None if there are none.

    Raises:
        FileNotFoundError: If one of them, or an image, is missing.
        ValueError: If a list is wrong or would be overwritten.
    """
    folder = root if splits is None else Path(splits)
    files = {name: folder / file for name, file in FIXED.items()}
    missing = [file.name for file in files.values() if not file.is_file()]
    if len(missing) == len(files) and splits is None:
        return None
    if missing:
        raise FileNotFoundError(
            f'Expected fixed lists {" and ".join(FIXED.values())} in '
            f'{folder}, found no {missing[0]}. Add it, or remove the other '
            'one to draw a split.'
        )
    if folder.resolve() == out.resolve():
        raise ValueError(
            f'The lists would overwrite the fixed ones in {folder}. Choose '
            'another folder with --out.'
        )
    known = {sample.path for sample in samples}
    found, seen = {}, dict[str, Path]()
    for split, file in files.items():
        found[split] = layout.listed(file, split, encoding)
        for sample in found[split]:
            if sample.path not in known:
                raise FileNotFoundError(
                    f'{file}: expected an image of the data set, found no '
                    f'{sample.path}. Check ROOT, or remove the line.'
                )
            if sample.path in seen:
                raise ValueError(
                    f'{file}: {sample.path} stands in {seen[sample.path]} '
                    'too; list each image once.'
                )
            seen[sample.path] = file
    return found


def _count(samples: Iterable[Sample]) -> str:
    counts = Counter(sample.defect for sample in samples)
    return ', '.join(f'{counts[name]} {name}' for name in sorted(counts))


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument(
        '--out', help=f'folder of the lists (default: ROOT/{OUT_FOLDER})'
    )
    parser.add_argument(
        '--splits',
        help=f'folder of fixed lists {" and ".join(FIXED.values())} (default: '
        'ROOT, if there)',
    )
    add_encoding(parser)
    parser.add_argument(
        '--test-fraction',
        type=float,
        default=0.5,
        help='share of the good images in the test list, where none is fixed',
    )
    parser.add_argument('--seed', type=int, default=0)


PREPARATION = Preparation(
    'magnetic tiles: good images to train on, all defects to test',
    _add_arguments,
    prepare_magnetic_tile,
)
