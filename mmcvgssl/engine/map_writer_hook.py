"""Write anomaly maps as the test loop makes them."""

from __future__ import annotations

import errno
import glob
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from mmengine.dist import (
    barrier,
    get_rank,
    is_main_process,
)
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from mmcvgssl.engine.anomaly_fit_hook import AnomalyFitHook
from mmcvgssl.engine.fit_provenance import of_model, of_transforms
from mmcvgssl.provenance import EARLIER, FileState, Provenance, settle
from mmcvgssl.registry import HOOKS
from mmcvgssl.utils import atomic_write

MANIFEST = 'manifest.jsonl'
REMARKS = 'remarks.json'  # of the model on what it was fitted to
DTYPES = ('float16', 'float32')
# errors of one name, whatever room and rights there are
_OF_ONE = {
    *(errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST),
    *(errno.EILSEQ, errno.EINVAL),
}


@HOOKS.register_module()
class MapWriterHook(Hook):
    """Write one ``.npy`` per image and a line of ``manifest.jsonl``.

    A process appends to a manifest of its own, line by line after the map is
    on disk; at the end the first process joins them. So whatever happens,
    what the manifests name is whole. A line tells the state of the image
    that the map was made of. Maps of another generator, other fitting images
    or transforms are moved to the folder ``earlier``, and so is the map of an
    image that has changed since.

    Args:
        out: Folder of the maps.
        root: Folder that image paths are relative to.
        dtype: ``'float16'`` or ``'float32'``.

    Attributes:
        written: Number of maps that this process has written.
        unreadable: Paths of images without a map, as they cannot be read.
        changed: The same, as they have changed while maps were made.
        unwritable: The same, as the map's name cannot be written: why.

    Raises:
        ProvenanceError: If the folder holds maps that do not say what they
            depend on.
        OSError: If the disk is full: says what was written.
    """

    priority = 'LOW'

    def __init__(
        self,
        out: str,
        root: str,
        dtype: str = 'float16',
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f'dtype must be one of {DTYPES}, got {dtype!r}')
        self.out, self.root, self.dtype = Path(out), root, dtype
        self.written = 0
        self.unreadable: list[str] = []
        self.changed: list[str] = []
        self.unwritable: dict[str, str] = {}
        self._settled = False
        # size and times of images before they are read
        self._before: dict[str, tuple[int, int, int] | None] = {}
        self._lines: IO[str] | None = None
        self._bar: tqdm | None = None

    def before_run(self, runner: Runner) -> None:
        """Compare with the maps of the folder before anything is fitted."""
        self.prepare(runner)

    def prepare(self, runner: Runner) -> None:
        """Keep the maps that are there, or make room, once."""
        if self._settled:
            return
        self._settled = True
        model = getattr(runner.model, 'module', runner.model)
        steps = of_transforms(runner.cfg.test_dataloader)
        ours = of_model(model, runner.cfg)
        ours |= Provenance({'transforms': steps, 'dtype': self.dtype})
        for hook in runner.hooks:
            if isinstance(hook, AnomalyFitHook):
                hook.prepare(runner)
                if hook.provenance is not None:
                    ours |= hook.provenance.under('fit')
        tops = {
            PurePosixPath(line['map']).parts[0]
            for line in read_manifests(self.out).values()
        }
        results = ['manifest*.jsonl', REMARKS, *map(glob.escape, sorted(tops))]
        settle(ours, self.out, results, f'the maps in {self.out}')

    def before_test(self, runner: Runner) -> None:
        """Look at the images; start the bar."""
        self.prepare(runner)
        self.out.mkdir(parents=True, exist_ok=True)
        model = getattr(runner.model, 'module', runner.model)
        if model.remarks and is_main_process():
            # for those who cut boxes from these maps
            atomic_write(
                self.out / REMARKS, json.dumps(model.remarks).encode()
            )
        images = runner.test_dataloader.dataset
        for i in range(len(images)):
            path = images.get_data_info(i)['img_path']
            self._before[path] = _look(path)
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
            path = sample.img_path
            state = _look(path)
            if state is None or state != self._before.get(path):
                self.changed.append(path)
                continue
            try:
                self._write(sample)
            except OSError as error:
                if error.errno in _OF_ONE:
                    self.unwritable[path] = str(error)
                    continue
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
            'file': FileState.of(sample.img_path).to_list(),
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


def _look(path: str) -> tuple[int, int, int] | None:
    """Return size and times of a file; None if it is gone."""
    try:
        return FileState.look(path)
    except FileNotFoundError:
        return None


def set_changed_aside(
    out: Path, root: Path, paths: Sequence[str]
) -> list[str]:
    """Move the maps of images that have changed since, with their lines.

    Args:
        out: Folder of the maps.
        root: Folder that image paths are relative to.
        paths: Of images that are there.

    Returns:
        Paths of the images that have changed.

    Raises:
        OSError: If files can be neither read nor moved.
    """
    lines = read_manifests(out)
    changed = []
    for path in paths:
        line = lines.get(path)
        if line is None or not (out / line['map']).is_file():
            continue
        state = FileState.from_list(line['file'])
        if state.holds(root / path):
            continue
        changed.append(path)
        name = PurePosixPath(line['map'])
        kept = name.with_stem(f'{name.stem}-{state.digest[:8]}')
        target = out / EARLIER / 'images' / kept
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(out / name, target)
        with (out / EARLIER / 'images' / MANIFEST).open('a') as file:
            file.write(json.dumps({**line, 'map': str(kept)}) + '\n')
    return changed


def relative_path(path: str, root: str) -> str:
    """Return an image's path below the root, with /."""
    return Path(os.path.relpath(path, root)).as_posix()


def map_name(path: str) -> str:
    """Name the map of an image: its relative path, ending in ``.npy``."""
    return str(PurePosixPath(path).with_suffix('.npy'))


def read_manifests(out: Path) -> dict[str, dict]:
    """Read what all manifests of a folder name, by image path.

    Lines that are cut off or damaged are left out.
    """
    lines: dict[str, dict] = {}
    for file in sorted(out.glob('manifest*.jsonl'), key=lambda p: len(p.name)):
        for text in file.read_bytes().split(b'\n'):
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
