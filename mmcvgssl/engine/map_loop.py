"""Write the anomaly maps of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import get_rank, is_main_process
from mmengine.hooks import IterTimerHook, LoggerHook
from mmengine.registry import DATASETS
from mmengine.runner import BaseLoop, Runner
from mmengine.runner.amp import autocast
from mmpretrain.structures import DataSample

from mmcvgssl.datasets.unreadable_share import check_share
from mmcvgssl.engine.fit_loop import fit_loop
from mmcvgssl.engine.fit_provenance import of_model, of_transforms
from mmcvgssl.maps.writer import (
    MapWriter,
    check_dtype,
    join_manifests,
    paths_without_map,
    relative_path,
    settle_maps,
    write_remarks,
)
from mmcvgssl.models.anomaly import AnomalyModel
from mmcvgssl.processes import (
    Team,
    compute_threads,
    limited_threads,
    on_first_process,
)
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import FileState, Provenance
from mmcvgssl.registry import LOOPS
from mmcvgssl.utils import some

# they count the batches of the config's test
_OF_THE_TEST = (IterTimerHook, LoggerHook)


@LOOPS.register_module()
class MapLoop(BaseLoop):
    """Write one ``.npy`` per image and a line of ``manifest.jsonl``.

    Maps that are there already stay; those of another generator, other
    fitting images or transforms are moved to the folder ``earlier``, and so
    is the map of an image that has changed since. The model is fitted first,
    by the loop of ``fit_cfg``, unless no map is missing.

    Every process computes the maps of its share of the images, and appends to
    a manifest of its own once a map is on disk; at the end the first process
    joins them. So whatever happens, what the manifests name is whole, and a
    later run makes what is missing.

    The test of the config is not used. Hooks act as they do in a test.

    Args:
        runner: Its model is a map generator.
        root: Folder of the images.
        paths: Paths of the images, relative to ``root``, with /.
        out: Folder of the maps.
        pipeline: Transforms from a path to the input.
        dtype: Number type of the maps: ``'float16'`` or ``'float32'``.
        batch_size: Images of a batch.
        num_workers: Processes that read images, for each process.
        max_unreadable: Largest share of unreadable images, in [0, 1].
        fp16: Compute by automatic mixed precision.

    Attributes:
        there: Number of maps that were there.
        written: Number of maps that this process has written.
        unreadable: Images without a map, as they cannot be read.
        changed: Images without a map, as they changed meanwhile.
        unwritable: Images without a map, as its name cannot be written, with
            the reason.

    Raises:
        TypeError: If the model is no map generator.
        ValueError: If an option is out of range.

    Example:
        .. code-block:: python

            steps = runner.cfg.test_dataloader.dataset.pipeline
            MapLoop(runner, 'parts', ['a.png', 'b.png'], 'maps', steps).run()
    """

    runner: Runner

    def __init__(
        self,
        runner: Runner,
        root: str,
        paths: Sequence[str],
        out: str,
        pipeline: Sequence[dict],
        dtype: str = 'float16',
        batch_size: int = 16,
        num_workers: int = 2,
        max_unreadable: float = 0.1,
        fp16: bool = False,
    ) -> None:
        check_dtype(dtype)
        check_share(max_unreadable)
        for name, value, least in (
            ('batch_size', batch_size, 1),
            ('num_workers', num_workers, 0),
        ):
            if type(value) is not int or value < least:
                raise ValueError(
                    f'map_cfg.{name}={value!r}: expected a whole number from '
                    f'{least}'
                )
        if not isinstance(fp16, bool):
            raise ValueError(f'map_cfg.fp16={fp16!r}: expected True or False')
        # the loader is made when it is known which maps are missing
        super().__init__(runner, None)
        model = getattr(runner.model, 'module', runner.model)
        if not isinstance(model, AnomalyModel):
            raise TypeError(
                'MapLoop writes the maps of the map generators of '
                f'mmcvgssl.models.anomaly, got {type(model).__name__}'
            )
        self.model, self.fit = model, fit_loop(runner)
        self.root, self.paths, self.out = root, paths, Path(out)
        self.pipeline = list(pipeline)
        self.dtype, self.fp16 = dtype, fp16
        self.batch_size, self.num_workers = batch_size, num_workers
        self.max_unreadable = max_unreadable
        self.there = self.written = 0
        self.unreadable: list[str] = []
        self.changed: list[str] = []
        self.unwritable: dict[str, str] = {}
        self._settled = False

    def prepare(self) -> None:
        """Reuse the maps that are there, or move them aside, once.

        Raises:
            ProvenanceError: If the folder holds maps that do not say what
                they depend on.
        """
        if self._settled:
            return
        self._settled = True
        ours = of_model(self.model, self.runner.cfg)
        ours |= Provenance(self._settings())
        self.fit.prepare()
        if self.fit.provenance is not None:
            ours |= self.fit.provenance.under('fit')
        settle_maps(ours, self.out)

    def run(self) -> dict[str, int]:
        """Write the maps that are missing.

        Returns:
            Number of ``images``, of maps that were ``there``, that were
            ``written`` by this process, and of images that are
            ``unreadable``, or whose map cannot be written.

        Raises:
            TooManyUnreadableError: If too many images cannot be read.
            OSError: If the disk is full: says what was written.
        """
        # before the maps are listed, as they may be of another generator
        self.prepare()
        # one process does it for all: one that looked later would find maps
        # of the others, and take other images for its share
        todo = on_first_process(
            lambda: paths_without_map(self.out, Path(self.root), self.paths)
        )
        self.there = len(self.paths) - len(todo)
        if todo:
            # as Runner.test() does
            self._call_hooks('before_run')
            self.runner.load_or_resume()
            self.fit.run()
            self._make(todo)
            self._call_hooks('after_run')
        self._warn()
        on_first_process(lambda: join_manifests(self.out))
        return {
            'images': len(self.paths),
            'there': self.there,
            'written': self.written,
            'unreadable': len(self.unreadable) + len(self.unwritable),
        }

    def _settings(self) -> dict[str, Any]:
        """Return what maps depend on beside model and images."""
        steps = of_transforms({'dataset': {'pipeline': self.pipeline}})
        found: dict[str, Any] = {'transforms': steps, 'dtype': self.dtype}
        if self.fp16:
            found['fp16'] = True
        if type(self) is not MapLoop:
            found['loop'] = type(self).__name__
        return found

    def _make(self, paths: Sequence[str]) -> None:
        """Write the maps of this process's share of the images."""
        self.dataloader = self._loader(paths)
        images = (str(Path(self.root, path)) for path in paths)
        before = {path: _look(path) for path in images}
        if is_main_process():
            write_remarks(self.out, self.model.remarks)
        bar = progress_bar(
            total=len(self.dataloader.sampler),
            desc='maps',
            unit='image',
            disable=not is_main_process(),
        )
        writer = MapWriter(self.out, self.dtype, get_rank())
        self._call_hooks('before_test')
        self._call_hooks('before_test_epoch')
        self.runner.model.eval()
        with closing(bar), writer:
            for number, batch in enumerate(self.dataloader):
                samples = self.run_iter(number, batch)
                self.write(samples, writer, before)
                bar.update(len(samples))
        self._call_hooks('after_test_epoch', metrics={})
        self._call_hooks('after_test')

    @torch.no_grad()
    def run_iter(
        self, idx: int, data_batch: dict[str, Any]
    ) -> Sequence[DataSample]:
        """Compute the maps of a batch."""
        at: dict[str, Any] = dict(batch_idx=idx, data_batch=data_batch)
        self._call_hooks('before_test_iter', **at)
        # what prepares a batch is small: threads would wait for the readers'
        with limited_threads(compute_threads()), autocast(enabled=self.fp16):
            samples = self.runner.model.test_step(data_batch)
        self._call_hooks('after_test_iter', **at, outputs=samples)
        return samples

    def write(
        self,
        samples: Iterable[DataSample],
        writer: MapWriter,
        before: Mapping[str, tuple[int, int, int] | None],
    ) -> None:
        """Write the maps of a batch.

        Args:
            samples: Data samples with ``anomaly_map`` and ``anomaly_score``.
            writer: Writes them.
            before: Size and times of image files before they were read.
        """
        for sample in samples:
            path = sample.img_path
            if sample.get('unreadable'):
                self.unreadable.append(path)
                continue
            now = _look(path)
            if now is None or now != before.get(path):
                self.changed.append(path)
                continue
            reason = writer.write(
                relative_path(path, self.root),
                sample.anomaly_map.float().cpu().numpy(),
                sample.ori_shape[:2],
                float(sample.anomaly_score),
                FileState.of(path),
            )
            if reason is not None:
                self.unwritable[path] = reason
            else:
                self.written += 1

    def _loader(self, paths: Sequence[str]) -> Any:
        images = DATASETS.build(
            dict(
                type='mmcvgssl.ImageList',
                data_root=self.root,
                paths=paths,
                pipeline=self.pipeline,
                max_unreadable=self.max_unreadable,
            )
        )
        loader = dict(
            dataset=images,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
            collate_fn=dict(type='pseudo_collate'),
        )
        return self.runner.build_dataloader(loader, seed=self.runner.seed)

    def _call_hooks(self, stage: str, **arguments: Any) -> None:
        """Let hooks act as in a test, those that look at its loader aside."""
        for hook in self.runner.hooks:
            act = getattr(hook, stage, None)
            if act is not None and not isinstance(hook, _OF_THE_TEST):
                act(self.runner, **arguments)

    def _warn(self) -> None:
        """Name the images without a map, once all processes are done."""
        team = Team()
        try:
            shares = team.collect(
                (self.unreadable, self.changed, self.unwritable)
            )
        finally:
            team.close()
        logger = self.runner.logger
        unreadable = sorted(path for share in shares for path in share[0])
        if unreadable:
            logger.warning(
                f'{some(unreadable, "image")} could not be read and have no '
                'map'
            )
        changed = sorted(path for share in shares for path in share[1])
        if changed:
            logger.warning(
                f'{some(changed, "image")} changed while maps were made and '
                'have none: type the command again'
            )
        for _, _, unwritable in shares:
            for path, reason in unwritable.items():
                logger.warning(
                    f'{path} has no map, as it cannot be written: {reason}'
                )


def write_maps(runner: Runner, paths: Sequence[str]) -> dict[str, int]:
    """Run the loop that ``map_cfg`` of the runner's config describes.

    Args:
        runner: Its model is a map generator.
        paths: Paths of the images, relative to ``map_cfg.root``.

    Returns:
        See :meth:`MapLoop.run`.
    """
    config: dict[str, Any] = dict(runner.cfg.map_cfg)
    config.setdefault('type', 'mmcvgssl.MapLoop')
    given = {'runner': runner, 'paths': paths}
    return LOOPS.build(config, default_args=given).run()


def _look(path: str) -> tuple[int, int, int] | None:
    """Return size and times of a file; None if it is gone."""
    try:
        return FileState.look(path)
    except FileNotFoundError:
        return None
