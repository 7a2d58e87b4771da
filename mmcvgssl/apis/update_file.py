"""Updating the model of a file by more images, into another file."""

from __future__ import annotations

from pathlib import Path

from mmcvgssl.apis.fit_classes import update_classes
from mmcvgssl.apis.update import update_content
from mmcvgssl.model_file import ModelFile, check_name
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.utils import printable


def update_file(
    model: str | Path,
    out: str | Path,
    images: str | Path,
    earlier_images: str | Path | None = None,
) -> ModelFile:
    """Have the model of a file learn from more images, and write it.

    Args:
        model: Model file of a PatchCore, PaDiM, MahalanobisAD or classifier.
        out: The updated file; it may be ``model`` itself, which is moved to
            the folder ``earlier`` beside it.
        images: Folder or list of new good images; for a classifier a folder
            with one folder a class.
        earlier_images: See :meth:`AnomalyInspector.update`.

    Returns:
        What was written.

    Raises:
        FileNotFoundError: If something is missing.
        UnreadableImageError: If an image cannot be read.
        ValueError: If the model learns no more, an image was learned from
            before, or ``out`` does not end in ``.safetensors``.
    """
    check_name(out)
    content, source = ModelFile.read(model), printable(str(model))
    if content.kind == CLASSIFIER:
        if earlier_images is not None:
            raise ValueError(
                f'{source} holds the features of earlier images, as '
                'classifiers do: leave --earlier-images out'
            )
        made = update_classes(content, images, source).content
    elif content.kind == ANOMALY:
        made = update_content(content, images, earlier_images, source).content
    else:
        raise ValueError(
            f'{source}: expected a PatchCore, PaDiM, MahalanobisAD or '
            f'classifier to update, got a {content.kind}: train it by '
            'mmcvgssl train'
        )
    made.write(out)
    return made
