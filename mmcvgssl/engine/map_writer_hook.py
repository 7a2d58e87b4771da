"""Write anomaly maps as the test loop makes them."""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from mmengine.dist import (
    barrier,
    get_rank,
    is_main_process,
)
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from mmcvgssl.models.anomaly.fitted_state import keep_settings
from mmcvgssl.registry import HOOKS
from mmcvgssl.utils import atomic_write

MANIFEST, SETTINGS = 'manifest.jsonl', 'settings.json'
DTYPES = ('float16', 'float32')


@HOOKS.register_module()
class MapWriterHook(Hook):
    """Write one ``.npy`` per image and a line of ``manifest.jsonl``.

    A process appends to a manifest of its own, line by line after the map is
    on disk; at the end the first process joins them. So whatever happens,
    what the manifests name is whole.

    Args:
        out: Folder of the maps.
        root: Folder that image paths are relative to.
        dtype: ``'float16'`` or ``'float32'``.
        settings: What the maps depend on, besides the model's own.

    Raises:
        FittedStateError: If the folder holds maps of other settings.
        OSError: If the disk is full: says what was written.
    """

    priority = 'LOW'

    def __init__(
        self,
        out: str,
        root: str,
        dtype: str = 'float16',
        settings: dict[str, Any] | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {dtype!r}')
        self.out, self.root, self.dtype = Path(out), root, dtype
        self.settings = dict(settings or {}, dtype=dtype)
        self.written = 0
        self.unreadable: list[str] = []
        self._lines: IO[str] | None = None
        self._bar: tqdm | None = None

    def before_test(self, runner: Runner) -> None:
        """Compare settings with those of the folder; start the bar."""
        model = getattr(runner.model, 'module', runner.model)
        settings = {**model.settings, **self.settings}
        settings['fitted'] = model.fingerprint() if model.state else ''
        if model.remarks:  # for those who cut boxes from these maps
            settings['remarks'] = list(model.remarks)
        keep_settings(self.out / SETTINGS, settings, f'maps in {self.out}')
        part = self.out / f'manifest.{get_rank()}.jsonl'
        cut = part.is_file() and not part.read_bytes().endswith(b'\n')
        self._lines = part.open('a', encoding='utf-8')
        if cut:  # a line that was being written when the run ended
            self._lines.write('\n')
        self._bar = tqdm(
            total=len(runner.test_dataloader.sampler),
            desc='maps',
            unit='image',
            disable=not is_main_process(),
        )

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Write the maps of a batch."""
        for sample in outputs or ():
            if sample.get('unreadable'):
                self.unreadable.append(sample.img_path)
                continue
            try:
                self._write(sample)
            except OSError as error:
                raise OSError(
                    error.errno,
                    f'{os.strerror(error.errno or errno.EIO)}: {self.written} '
                    f'maps were written to {self.out} in this run and are '
                    'whole; make room and run the same command again',
                ) from error
            self.written += 1
        if self._bar is not None:
            self._bar.update(len(outputs or ()))

    def after_test_epoch(
        self, runner: Runner, metrics: dict | None = None
    ) -> None:
        """Join the manifests of all processes."""
        self._close()
        barrier()
        if is_main_process():
            join_manifests(self.out)
        barrier()

    def _write(self, sample) -> None:
        path = relative_path(sample.img_path, self.root)
        values = sample.anomaly_map.float().cpu().numpy()
        buffer = io.BytesIO()
        np.save(buffer, values.astype(self.dtype), allow_pickle=False)
        name = map_name(path)
        atomic_write(self.out / name, buffer.getvalue())
        line = {
            'path': path,
            'map': name,
            'size': [int(side) for side in sample.ori_shape[:2]],
            'score': float(sample.anomaly_score),
            'map_max': float(values.max()),
        }
        if self._lines is not None:
            self._lines.write(json.dumps(line) + '\n')
            self._lines.flush()

    def _close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._lines = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def relative_path(path: str, root: str) -> str:
    """Return an image's path below the root, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def map_name(path: str) -> str:
    """Name the map of an image: its relative path, ending in ``.npy``."""
    return str(PurePosixPath(path).with_suffix('.npy'))


def read_manifests(out: Path) -> dict[str, dict]:
    """Read what all manifests of a folder name, by image path.

    A last line that was cut off is left out.
    """
    lines: dict[str, dict] = {}
    for file in sorted(out.glob('manifest*.jsonl'), key=lambda p: len(p.name)):
        for text in file.read_text('utf-8').split('\n'):
            try:
                line = json.loads(text)
                lines[line['path']] = line
            except (ValueError, KeyError, TypeError):
                continue
    return lines


def join_manifests(out: Path) -> dict[str, dict]:
    """Write ``manifest.jsonl`` from those of all processes, sorted."""
    lines = read_manifests(out)
    text = ''.join(json.dumps(lines[path]) + '\n' for path in sorted(lines))
    atomic_write(out / MANIFEST, text.encode())
    for part in out.glob('manifest.*.jsonl'):
        part.unlink()
    return lines
