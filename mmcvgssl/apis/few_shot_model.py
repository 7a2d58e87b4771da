"""The classifier of a few-shot evaluation, as a model file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.apis.encoder import Encoder
from mmcvgssl.apis.few_shot import PROPAGATION, UNLABELLED, FewShot
from mmcvgssl.apis.probe_file import probe_file
from mmcvgssl.apis.selection.draws import check_draw
from mmcvgssl.evaluation.few_shot import draw_seed
from mmcvgssl.evaluation.few_shot import features as data
from mmcvgssl.evaluation.few_shot.learners import accuracy, fit_probe
from mmcvgssl.model_file import ModelFile, check_name
from mmcvgssl.models.classifiers import Embedder
from mmcvgssl.provenance import FileState, FileTable
from mmcvgssl.weights.safe_config import ORIGINS

Draw = tuple[int, int]


def images_to_learn_from(
    protocol: FewShot, path: str | Path, draw: Draw | None = None
) -> np.ndarray:
    """Choose training images, and check that a classifier can be saved.

    Args:
        protocol: A few-shot evaluation of mode ``'probe'`` or
            ``'propagation'``.
        path: File that will be written.
        draw: Images a class, and number of the draw from 0; None: all
            labelled training images.

    Returns:
        Their indices [n].

    Raises:
        ValueError: If the mode is another, the file's name ends otherwise,
            the draw is impossible, a class has no image, or there is none
            that labels could spread to.
    """
    check_name(path)
    if protocol.mode not in ('probe', PROPAGATION):
        raise ValueError(
            f'only the classifier of --mode probe or {PROPAGATION} can be '
            f'saved, got mode {protocol.mode!r}'
        )
    names, present = protocol.train.CLASSES, {*protocol.labels.tolist()}
    without = [name for i, name in enumerate(names) if i not in present]
    if without:
        raise ValueError(
            f'no training image is of class {", ".join(without)}: leave it '
            'out of the classes of the data set, or add images'
        )
    spreads = protocol.mode == PROPAGATION
    if spreads and draw is None and protocol.unlabelled is None:
        raise ValueError(
            'a classifier is saved of all labelled images, and there are none '
            'that their labels could spread to: give some by --unlabelled, or '
            'save that of a draw by --save-draw'
        )
    if draw is None:
        return np.arange(len(protocol.labels))
    shots, run = draw
    if run < 0:
        raise ValueError(f'draws are counted from 0, got {run}')
    seed = draw_seed(protocol.seed, run)
    check_draw(protocol.draw, shots, protocol.labels, names)
    rows = protocol.drawn(shots, seed)
    missed = present - {*protocol.labels[rows].tolist()}
    if missed:
        raise ValueError(
            f'draw {run} of {shots} images a class has none of '
            f'{", ".join(names[i] for i in sorted(missed))}: save another '
            'draw, or one of more images'
        )
    return rows


def save_classifier(
    protocol: FewShot, path: str | Path, draw: Draw | None = None
) -> ModelFile:
    """Learn a classifier and write it to a model file.

    Args:
        protocol: See :func:`images_to_learn_from`. Labels spread to the
            images that have none.
        path: File to write; ends in ``.safetensors``.
        draw: See :func:`images_to_learn_from`.

    Returns:
        What was written.

    Raises:
        ValueError: See :func:`images_to_learn_from`.
        mmcvgssl.weights.WeightsError: If the config of the network names
            what no file may name.
    """
    rows = images_to_learn_from(protocol, path, draw)
    train, test = protocol.extract()
    labels = protocol.labels[rows]
    names = list(protocol.train.CLASSES)
    if isinstance(protocol.encoder, Embedder):
        config = _student(protocol)
    else:
        teacher = protocol.cfg.model.teachers[0].to_dict()
        # for tests of mechanics; the file has the weights
        teacher.pop('allow_random', None)
        config = {'teacher': teacher}
    if protocol.standardized is not None:
        config['standardize'] = True
    others = protocol.others(rows) if protocol.mode == PROPAGATION else None
    learned = fit_probe(train[rows], labels, others)
    chosen = {
        'draw': None
        if draw is None
        else {'shots': draw[0], 'run': draw[1], 'seed': protocol.seed},
        'test_images': len(test),
        'test_accuracy': accuracy(learned, test, protocol.test_labels),
    }
    known = protocol.provenance().without('test_images')
    if draw is not None:
        paths = data.paths_of(protocol.train)
        drawn = {FileState.of(paths[i]).digest for i in rows}
        table = known.files['train_images']
        known.files['train_images'] = FileTable(
            {k: v for k, v in table.items() if v.digest in drawn}
        )
        if others is not None:
            # of other folders than further ones, whose table stays
            known.files[f'undrawn_{UNLABELLED}'] = FileTable(
                {k: v for k, v in table.items() if v.digest not in drawn}
            )
    content = probe_file(
        Encoder(
            protocol.standardized or protocol.encoder, config, protocol.steps
        ),
        train[rows],
        labels,
        names,
        chosen,
        json.loads(known.to_json()),
        others,
        learned,
    )
    content.write(path)
    return content


def _student(protocol: FewShot) -> dict[str, Any]:
    """Return the options of a backbone that was built of a config."""
    cfg = protocol.cfg
    backbone = cfg.model.backbone.to_dict()
    scope = cfg.get('default_scope', 'mmpretrain')
    given = {'_scope_': scope, **backbone}
    found = {
        'backbone': given,
        'mean': list(cfg.data_preprocessor['mean']),
        'std': list(cfg.data_preprocessor['std']),
    }
    if 'poolings' in cfg.few_shot:
        found['poolings'] = list(cfg.few_shot.poolings)
    if protocol.checkpoint != 'none':
        # weights are the checkpoint's
        own = {k: v for k, v in given.items() if k not in ORIGINS}
        found['backbone'] = own
        found['checkpoint'] = Path(protocol.checkpoint).name
    return found
