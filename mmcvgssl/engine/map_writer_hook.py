"""Write anomaly maps as the test loop makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
from mmcvgssl.maps.writer import (
    MapWriter,
    check_dtype,
    join_manifests,
    relative_path,
    settle_maps,
    write_remarks,
)
from mmcvgssl.provenance import FileState, Provenance
from mmcvgssl.registry import HOOKS


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
        check_dtype(dtype)
        self.out, self.root, self.dtype = Path(out), root, dtype
        self.written = 0
        self.unreadable: list[str] = []
        self.changed: list[str] = []
        self.unwritable: dict[str, str] = {}
        self._settled = False
        # size and times of images before they are read
        self._before: dict[str, tuple[int, int, int] | None] = {}
        self._writer: MapWriter | None = None
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
        settle_maps(ours, self.out)

    def before_test(self, runner: Runner) -> None:
        """Look at the images; start the bar."""
        self.prepare(runner)
        self._writer = MapWriter(self.out, self.dtype, get_rank())
        model = getattr(runner.model, 'module', runner.model)
        if is_main_process():
            write_remarks(self.out, model.remarks)
        images = runner.test_dataloader.dataset
        for i in range(len(images)):
            path = images.get_data_info(i)['img_path']
            self._before[path] = _look(path)
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
            reason = self._write(sample)
            if reason is not None:
                self.unwritable[path] = reason
            else:
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

    def _write(self, sample) -> str | None:
        if self._writer is None:
            raise RuntimeError('before_test() has to be called first')
        return self._writer.write(
            relative_path(sample.img_path, self.root),
            sample.anomaly_map.float().cpu().numpy(),
            sample.ori_shape[:2],
            float(sample.anomaly_score),
            FileState.of(sample.img_path),
        )

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _look(path: str) -> tuple[int, int, int] | None:
    """Return size and times of a file; None if it is gone."""
    try:
        return FileState.look(path)
    except FileNotFoundError:
        return None
