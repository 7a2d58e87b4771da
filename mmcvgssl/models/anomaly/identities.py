"""Which image is which, by its pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcvgssl.models.anomaly.tiled_images import TiledImages

IDENTITY = 'identity'


def with_identities(
    inputs: Tensor | TiledImages, samples: Sequence
) -> list[DataSample]:
    """Return copies of data samples that know their image by its pixels.

    The path of a file would not do: another spelling of it, another folder
    or machine are no other image. Copies of an image count as the image.

    Args:
        inputs: RGB images [N, 3, H, W] in [0, 1], or in tiles.
        samples: Their data samples; those that know their image stay.
    """
    tiled = isinstance(inputs, TiledImages)
    pixels = inputs.images if isinstance(inputs, TiledImages) else inputs
    made = []
    for image, sample in zip(pixels, samples, strict=True):
        if sample is not None and sample.get(IDENTITY) is not None:
            made.append(sample)
            continue
        known = DataSample() if sample is None else sample.new()
        # tiles are bytes, as files are; floats are bytes by 255
        whole = image if tiled else (image.float() * 255).round()
        data = whole.to(torch.uint8).cpu().contiguous().numpy()
        digest = hashlib.sha256(data.tobytes()).digest()[:7]
        number = int.from_bytes(digest, 'big')
        known.set_metainfo({IDENTITY: number})
        made.append(known)
    return made


def identities(samples: Sequence) -> Tensor:
    """Return what :func:`with_identities` found, int64 [N]."""
    return torch.tensor(
        [sample.get(IDENTITY) for sample in samples], dtype=torch.int64
    )
