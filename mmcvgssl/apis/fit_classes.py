"""Learning classes from a few images of any kind, and from more later."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmcvgssl.apis.encoder import Encoder
from mmcvgssl.apis.features import Extracts, FeatureExtractor, Features
from mmcvgssl.apis.image_files import ImageFiles, listed
from mmcvgssl.apis.inference.defect_classifier import Labelled
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.apis.probe_file import UNLABELLED, probe_file
from mmcvgssl.apis.update import noted_update, provenance_of_file, refuse_known
from mmcvgssl.datasets.copies import others_than
from mmcvgssl.datasets.image_folders import EXTENSIONS, class_folders
from mmcvgssl.model_file import LoadedModel, ModelFile, build_model
from mmcvgssl.model_file.classes import check_new
from mmcvgssl.model_file.classifier import support_of
from mmcvgssl.models.classifiers import Standardized
from mmcvgssl.provenance import (
    FileState,
    Provenance,
    of_config,
    of_dataset,
    of_versions,
)
from mmcvgssl.registry import DATASETS
from mmcvgssl.runner.undisturbed import undisturbed
from mmcvgssl.utils import printable, some

# of mmcvgssl few-shot, so that rounding is the same
_BATCH = 64
# name of the group of images without labels, which no class has
_FREE = '\0'


def fit_classes(
    images: Labelled,
    backbone: str | Path = 'package:efficientnet-lite0',
    config: str | Path | None = None,
    size: int | None = None,
    device: str | None = None,
    show_progress: bool = True,
    unlabelled: Inputs | None = None,
    extractor: Extracts | None = None,
    standardize: bool = False,
) -> LoadedModel:
    """Learn a classifier, as ``mmcvgssl few-shot --save`` does.

    It is a logistic regression on L2-normalised features of a frozen
    network, the probe of the few-shot protocol.

    Args:
        images: Images by the name of their class, such as ``{'scratch':
            [...], 'pit': [...]}``; for an image see
            :class:`~mmcvgssl.apis.DefectClassifier`. Or a folder with one
            folder a class.
        backbone: ``'package:NAME'``, the weights of an installed package; a
            checkpoint of a training; or a model file of a classifier or of
            an anomaly model with a teacher.
        config: Config of the training, for a checkpoint that holds none.
        size: Side of the images, pixels, by default 224; a model file has
            its own.
        device: Device of the network; by default the GPU, if there is one.
        show_progress: Show a bar.
        unlabelled: Images without labels, of these classes, which labels are
            propagated to; see :func:`fit_probe`. Those that have a label, and
            copies of them, are left out, which the log says.
        extractor: Computes the features, instead of one that is made of
            ``backbone``, ``config``, ``size``, ``device`` and
            ``standardize``.
        standardize: Take the inner levels of a packaged network or a
            checkpoint, too, each feature standardised over all images that
            are given; a model file has done so or not.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If something can be no image.
        UnreadableImageError: If an image cannot be read.
        ValueError: If there are fewer than two classes, one has no image, an
            image is in two of them, or the backbone cannot be described.
    """
    if extractor is not None and standardize:
        raise ValueError(
            'standardize is for features that are computed here, and an '
            'extractor was given: leave one out'
        )
    with undisturbed(), ImageFiles() as files:
        given = _by_class(images)
        if len(given) < 2:
            raise ValueError(
                'a classifier tells two classes or more apart, got '
                f'{some(map(repr, given)) if given else "none"}: give images '
                'of another class, or fit an AnomalyInspector to good images'
            )
        groups = files.groups(_with(given, unlabelled))
        free = groups.pop(_FREE, [])
        paths, labels = _flat(groups)
        _warn_of_copies(check_apart(paths, labels, list(given)))
        free = _unlabelled(free, paths)
        if extractor is None:
            extractor = FeatureExtractor(
                *(backbone, config, size, device, _BATCH),
                show_progress=show_progress,
                standardize=standardize,
            )
        found = extractor.encoder  # refused before work starts
        features = extractor([*paths, *free])
        rows = features.of_all()
        network = found.network
        if standardize and isinstance(network, Standardized):
            rows, _ = network.fit_and_scale(rows, rows[:0])
        rows, others = rows[: len(paths)], rows[len(paths) :]
        encoder = Encoder(
            found.network, found.config, _settled(found.steps, features)
        )
        known = (
            Provenance(
                {
                    'backbone': of_config(encoder.config),
                    'transforms': of_config(encoder.steps),
                    'classes': list(given),
                    'images_of_classes': np.bincount(labels).tolist(),
                }
            )
            | of_versions(encoder.config, also=('sklearn',))
            | of_dataset(DATASETS.build(listed(paths)), 'train_images')
        )
        if free:
            data_set = DATASETS.build(listed(free))
            known |= of_dataset(data_set, 'unlabelled_images')
        content = probe_file(
            *(encoder, rows, labels, list(given), {}),
            json.loads(known.to_json()),
            others if free else None,
        )
        return build_model(content, 'the learned classifier')


def update_classes(
    content: ModelFile,
    images: Labelled,
    source: str = 'the classifier',
    device: str | None = None,
    show_progress: bool = True,
    extractor: Extracts | None = None,
) -> LoadedModel:
    """Have a classifier learn from more labelled images, or more classes.

    It becomes what a fit to all images gives, as the file has the features
    of those of before; where they are standardised, they stay so by the
    images of the fit, which the log says.

    Args:
        content: Content of the model file; is not changed.
        images: See :func:`fit_classes`; new classes come after those of the
            file.
        source: The file, for messages.
        device: Device of the network; by default the GPU, if there is one.
        show_progress: Show a bar.
        extractor: Computes the features with the network of ``content``,
            instead of one that is made for ``device``.

    Raises:
        FileNotFoundError: If there is no such file.
        ModelFileError: If the file has nothing to go on from.
        TypeError: If something can be no image.
        UnreadableImageError: If an image cannot be read.
        ValueError: If an image is in two classes, or was learned from before,
            or a new class has the name of another but for its spelling.
    """
    rows, labels = learned_from(content, source)
    with undisturbed(), ImageFiles() as files:
        given = _by_class(images)
        check_new([*given], content.classes)
        new = [name for name in given if name not in content.classes]
        names = [*content.classes, *new]
        paths, found = _flat(files.groups(given))
        _warn_of_copies(check_apart(paths, found, list(given)))
        known = provenance_of_file(content, source)
        refuse_known(known, paths, source)
        if extractor is None:
            extractor = FeatureExtractor(
                build_model(content, source),
                device=device,
                batch_size=_BATCH,
                show_progress=show_progress,
            )
        if isinstance(extractor.encoder.network, Standardized):
            print_log(
                f'{source}: features stay standardised over the '
                f'{content.chosen.get("images", "")} images of its fit and '
                'of earlier updates; a fit to all images standardises over '
                'all, which few of them at the fit make better',
                logger='current',
                level=logging.WARNING,
            )
        more = extractor(paths).of_all()
        index = np.array([names.index(name) for name in given])
        provenance = noted_update(known, content, paths)
        learned = probe_file(
            extractor.encoder,
            np.concatenate([rows, more]),
            np.concatenate([labels, index[found]]),
            names,
            {},
            json.loads(provenance.to_json()),
        )
    own = {
        key: value
        for key, value in content.tensors.items()
        if key.startswith('weights.')
    }
    others = {
        key: value
        for key, value in learned.tensors.items()
        if not key.startswith('weights.')
    }
    size = {'num_classes': len(names)}
    made = replace(
        learned,
        model={**content.model, **size},
        images=content.images,
        tensors=own | others,
        weights=content.weights,
        licences=content.licences,
    )
    return build_model(made, source)


def learned_from(
    content: ModelFile, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return what an update of a classifier goes on from.

    Args:
        content: Content of the model file.
        source: The file, for messages.

    Returns:
        Features float32 [n, D] and class indices [n] of its images.

    Raises:
        ModelFileError: If the file has none.
        ValueError: If it has learned from images without labels, too.
    """
    free = (content.chosen or {}).get(UNLABELLED)
    if free:
        raise ValueError(
            f'{source} has learned from {free} images without labels, too, '
            'which it does not hold: fit it anew with all images'
        )
    return support_of(content, source)


def _by_class(images: Labelled) -> dict[str, Inputs]:
    """Return images by the name of their class.

    Raises:
        FileNotFoundError: If there is no such folder.
        TypeError: If they are not given by class.
    """
    if isinstance(images, (str, Path)):
        folder = Path(images)
        if not folder.is_dir():
            raise FileNotFoundError(
                'expected images by class, or a folder with one folder a '
                f'class, found no folder {printable(str(folder))}'
            )
        _warn_of_loose(folder)
        return {name: folder / name for name in class_folders(folder, (), ())}
    if not isinstance(images, Mapping):
        raise TypeError(
            "expected images by class, as {'scratch': [...], 'pit': [...]}, "
            f'or a folder with one folder a class, got a '
            f'{type(images).__name__}'
        )
    return {str(name): given for name, given in images.items()}


def _warn_of_loose(folder: Path) -> None:
    loose = sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in EXTENSIONS and path.is_file()
    )
    if loose:
        print_log(
            f'{some(map(printable, loose), "image")} in no class folder of '
            f'{printable(str(folder))}: left out',
            logger='current',
            level=logging.WARNING,
        )


def _with(
    given: Mapping[str, Inputs], unlabelled: Inputs | None
) -> dict[str, Inputs]:
    """Add the images without labels to those of the classes."""
    return dict(given) if unlabelled is None else {**given, _FREE: unlabelled}


def _unlabelled(free: list[str], labelled: Sequence[str]) -> list[str]:
    """Leave out images that have a label, and copies of them."""
    left = others_than(labelled, free)
    out = sorted({*free} - {*left})
    if out:
        print_log(
            f'{some(map(printable, out), "image")} given without a label have '
            'one, or are copies of such images: left out of those without',
            logger='current',
        )
    if free and not left:
        raise ValueError(
            'all images given without a label have one, or are copies of '
            'labelled ones: give others, or leave them out'
        )
    return left


def _flat(groups: Mapping[str, list[str]]) -> tuple[list[str], np.ndarray]:
    """Return all paths, and the number of the group of each."""
    paths = [path for group in groups.values() for path in group]
    counts = [len(group) for group in groups.values()]
    return paths, np.repeat(np.arange(len(counts)), counts)


def check_apart(
    paths: Sequence[str], labels: np.ndarray, names: Sequence[str]
) -> list[str]:
    """Refuse an image in two classes; return copies within one.

    Args:
        paths: The images.
        labels: Class indices [n].
        names: Names of the classes.

    Raises:
        ValueError: If there is one.
    """
    seen: dict[str, tuple[str, int]] = {}
    twice = []
    for path, label in zip(paths, labels.tolist(), strict=True):
        digest = FileState.of(path).digest
        if digest in seen:
            twice.append(path)
        other, theirs = seen.setdefault(digest, (path, label))
        if theirs != label:
            raise ValueError(
                f'{printable(path)} of class {names[label]!r} and '
                f'{printable(other)} of class {names[theirs]!r} are the same '
                'image: leave it out of one of them'
            )
    return twice


def _warn_of_copies(twice: Sequence[str]) -> None:
    if twice:
        print_log(
            f'{some(map(printable, twice), "image")} given more than once, '
            'or as a copy, and counted as often',
            logger='current',
            level=logging.WARNING,
        )


def _settled(
    steps: Sequence[dict[str, Any]], features: Features
) -> list[dict[str, Any]]:
    """Return transforms that read as the features were read."""
    return [
        {**step, **features.reading}
        if str(step['type']).endswith('LoadImage')
        else step
        for step in steps
    ]
