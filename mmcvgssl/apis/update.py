"""More good images for a model file, or more labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.logging import print_log
from torch.utils.data import DataLoader

from mmcvgssl.apis.device import choose_device
from mmcvgssl.apis.image_files import ImageFiles, listed
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.apis.prediction.workers import workers_for
from mmcvgssl.datasets.tiles import images_at_once
from mmcvgssl.engine.fit_loader import FitLoader
from mmcvgssl.model_file import (
    LoadedModel,
    ModelFile,
    build_model,
    loaded_model,
)
from mmcvgssl.models.anomaly import Updatable
from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.passes import Passes
from mmcvgssl.provenance import (
    FileState,
    Provenance,
    ProvenanceError,
    of_dataset,
    of_versions,
)
from mmcvgssl.registry import DATASETS
from mmcvgssl.runner.undisturbed import undisturbed
from mmcvgssl.utils import printable, some
from mmcvgssl.version import __version__

BATCH = 16  # of the shipped recipes' fits


def update_content(
    content: ModelFile,
    images: Inputs,
    earlier_images: Inputs | None = None,
    source: str = 'the model',
    device: str | None = None,
    show_progress: bool = True,
) -> LoadedModel:
    """Have a model learn from more good images beside those of its fit.

    PaDiM and MahalanobisAD become what a fit to all images gives; PatchCore
    does so as long as its memory holds all patches, and afterwards chooses of
    its memory and the new patches. New images are held out as they would have
    been in a fit to all, one of each five by default.

    Args:
        content: Content of the model file; is not changed.
        images: New good images: see :class:`~mmcvgssl.apis.AnomalyInspector`.
        earlier_images: The images of before, of which those held out are
            scored again, so that threshold and calibration are those of a fit
            to all; None: the threshold is chosen on the new images held out
            and the earlier ones' scores of before, and the calibration stays.
        source: The file, for messages.
        device: Device of the model; by default the GPU, if there is one.
        show_progress: Show a bar for each pass over the images.

    Returns:
        The updated model.

    Raises:
        FileNotFoundError: If there is no such file.
        FittedStateError: If the file has nothing to go on from.
        TypeError: If something can be no image.
        UnreadableImageError: If an image cannot be read.
        ValueError: If the model is of another method, an image was learned
            from before, all new ones are held out, or earlier ones are
            missing.
    """
    with undisturbed(), ImageFiles() as files:
        loaded = build_model(content, source)
        model: Any = loaded.model
        if not isinstance(model, Updatable):
            raise ValueError(
                f'{source}: expected a PatchCore, PaDiM or MahalanobisAD, '
                'which learn from more good images, got a '
                f'{type(model).__name__}: fit it anew to all images'
            )
        model.require_updatable(source)
        model.to(choose_device(device))
        paths = files.paths(images, 'images to update with')
        known = provenance_of_file(content, source)
        refuse_known(known, paths, source)
        learned, measured = _divided(paths, model)
        digests = [FileState.of(path).digest for path in measured]
        digests = [*model.held_out_digests, *digests]
        if earlier_images is not None:
            given = files.paths(earlier_images, 'earlier_images')
            measured = [*_earlier(model, given, source), *measured]
        if not learned:
            raise ValueError(
                f'{source}: all {len(paths)} new images are held out for the '
                f'threshold, as 1 of {model.hold_out_every} is; give more '
                'images'
            )
        print_log(
            f'{source}: learns from {len(learned)} of {len(paths)} new '
            'images and holds the others out for the threshold',
            logger='current',
        )
        model.update(
            _loader(loaded, learned, model.device),
            _loader(loaded, measured, model.device) if measured else None,
            earlier_images is not None,
            Passes(bar=show_progress),
        )
        model.note_images(digests, len(paths))
        provenance = noted_update(known, content, paths)
    model.provenance = provenance
    tensors = {
        key: value
        for key, value in content.tensors.items()
        if key.startswith(('weights.', 'fixed.'))
    }
    made = replace(
        content,
        tensors=tensors | model.learned_tensors(),
        chosen=model.chosen,
        remarks=list(model.remarks),
        provenance=json.loads(provenance.to_json()),
        made_with=__version__,
    )
    return loaded_model(model, made, source)


def refuse_known(known: Provenance, paths: Sequence[str], source: str) -> None:
    """Refuse images that a model has learned from, by their content.

    Raises:
        ValueError: If there are some.
    """
    digests = {
        state.digest
        for name, table in known.files.items()
        if name.endswith('_images')
        for state in table.values()
    }
    again = [p for p in paths if FileState.of(p).digest in digests]
    if again:
        raise ValueError(
            f'{source} has learned from {some(map(printable, again))} of '
            f'{len(paths)} images before, or from copies: leave them out'
        )


def provenance_of_file(content: ModelFile, source: str) -> Provenance:
    """Return what a model file depends on.

    Raises:
        ProvenanceError: If it does not say so.
    """
    if content.provenance is None:
        raise ProvenanceError(
            f'{source} does not say which images it has learned from, as '
            'files do that tools or fit() of an inferencer write: fit anew to '
            'all images'
        )
    return Provenance.from_dict(content.provenance, source)


def noted_update(
    known: Provenance, content: ModelFile, paths: Sequence[str]
) -> Provenance:
    """Return what an updated model depends on: its fit and all updates.

    Args:
        known: Provenance before the update.
        content: Content of the file.
        paths: Files of the new images.
    """
    number = 1
    while any(key.startswith(f'update_{number}.') for key in known.files):
        number += 1
    images = of_dataset(DATASETS.build(listed(paths)), 'new_images')
    made = images | of_versions(content.model)
    return known | made.under(f'update_{number}')


def _divided(
    paths: Sequence[str], model: Updatable
) -> tuple[list[str], list[str]]:
    """Divide new images as a fit to all would have; see FittingImages."""
    every, seen = model.hold_out_every, model.images_seen
    learned: list[str] = []
    measured: list[str] = []
    for number, path in enumerate(paths, seen):
        apart = every and is_held_out(number, every)
        (measured if apart else learned).append(path)
    return learned, measured


def _earlier(model: Updatable, given: Sequence[str], source: str) -> list[str]:
    """Find, by content, the images that were held out before.

    Raises:
        ValueError: If some are missing, or none was held out.
    """
    wanted = model.held_out_digests
    if not wanted:
        raise ValueError(
            f'{source}: no image was held out before, as it has neither '
            'threshold nor calibration: leave earlier_images out'
        )
    known = {FileState.of(path).digest: path for path in given}
    missing = sum(digest not in known for digest in wanted)
    if missing:
        raise ValueError(
            f'earlier_images: {missing} of the {len(wanted)} images that '
            f'{source} was measured on are not among the {len(given)} given, '
            'by their content: give all images of before, or leave '
            'earlier_images out, and their scores of before count'
        )
    return [known[digest] for digest in wanted]


def _loader(
    loaded: LoadedModel, paths: Sequence[str], device: torch.device
) -> DataLoader:
    steps = loaded.content.images['pipeline']
    return FitLoader(
        DATASETS.build(listed(paths, loaded.transforms)),
        images_at_once(steps, BATCH),
        workers_for(len(paths), None, device.type == 'cpu'),
    )
