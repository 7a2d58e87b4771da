"""Plain backbone weights for other packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from mmcvgssl.apis.load_backbone import build_for
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import check_file
from mmcvgssl.weights import KeyReport, load
from mmcvgssl.weights.files import (
    SUFFIXES,
    backbone_state,
    read_checkpoint,
    safetensors_bytes,
)


def export_backbone(
    checkpoint: str | Path,
    out: str | Path,
    target: str,
    config: str | Path | None = None,
    arch: str | None = None,
) -> KeyReport:
    """Write a trained backbone as plain weights of another package.

    The file is loaded into the real model of the package before it gets its
    final name, so a file that does not fit never remains. An earlier file of
    this name moves to the folder ``earlier``.

    Args:
        checkpoint: Checkpoint of a training run, or plain weights with
            ``config``.
        out: File to write; ``.pth`` or ``.safetensors``.
        target: One of mmpretrain, mmdet, mmyolo, timm and torchvision.
        config: Config of the training run, if the checkpoint holds none.
        arch: Name of the model in timm or torchvision, if not the usual one.

    Raises:
        FileNotFoundError: If a file is missing.
        OSError: If the file cannot be written.
        ValueError: If there is no backbone config, or no counterpart, the
            weights would replace the checkpoint, or the checkpoint's config
            names what no file may name.
        mmcvgssl.weights.KeyMismatchError: If keys do not fit.
    """
    out = Path(out)
    if out.suffix not in SUFFIXES:
        raise ValueError(
            f'Expected an output file {", ".join(SUFFIXES)}, got {out}.'
        )
    check_file(out, 'the weights')
    if out.exists() and Path(checkpoint).exists() and out.samefile(checkpoint):
        raise ValueError(
            f'{out} is the checkpoint itself, which would be lost: choose '
            'another name for the weights'
        )
    model, state = build_for(checkpoint, target, config, arch)
    out.parent.mkdir(parents=True, exist_ok=True)
    # beside the target, so that the last step is a rename
    unready = out.with_name(f'.{out.stem[:40]}.{os.getpid()}{out.suffix}')
    try:
        _write(state, unready)
        written = backbone_state(read_checkpoint(unready))
        report = load(
            model, written, name=f'{checkpoint} for {target}', log=False
        )
        data = unready.read_bytes()
        make_room(out.parent, {out.name: data}, f'the weights in {out}')
        os.replace(unready, out)
    finally:
        unready.unlink(missing_ok=True)
    return report


def _write(state: Mapping[str, Tensor], path: Path) -> None:
    try:
        if path.suffix == '.safetensors':
            path.write_bytes(safetensors_bytes(state, {'format': 'pt'}))
            return
        plain = {
            k: v.detach().clone(memory_format=torch.contiguous_format)
            for k, v in state.items()
        }
        # an open file: torch would write the name of a closed one into it
        with path.open('wb') as file:
            torch.save(plain, file)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise OSError(
            f'Expected to write weights into {path.parent}, but: {error}. '
            'Choose another folder.'
        ) from error
