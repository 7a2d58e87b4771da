"""What a test says of each image, kept as mmcvgssl predict writes it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, Any

from mmengine.dist import barrier, get_rank, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from mmcvgssl.apis.prediction import PredictionKind, kind_of
from mmcvgssl.apis.prediction.tables import MAPS, TRUTH, table_parts
from mmcvgssl.apis.prediction.torch_model import Tested, kind_in
from mmcvgssl.apis.testing.tested_model import TestedModel
from mmcvgssl.apis.testing.truth_rows import truth_in
from mmcvgssl.datasets.wrapped import inner_sets
from mmcvgssl.maps.file import inside
from mmcvgssl.maps.writer import (
    MapWriter,
    join_manifests,
    relative_path,
    require_own_maps,
)
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.model_file.classifier import KIND as CLASSIFIER
from mmcvgssl.model_file.detector import KIND as DETECTOR
from mmcvgssl.predictions import row_of
from mmcvgssl.provenance import RECORD, FileState
from mmcvgssl.utils import atomic_write

KEPT = 0.05  # score from which on boxes are kept, whatever is shown


class KeptPredictions(Hook):
    """Writes the tables of predictions into the folder of a test's logs.

    A row also has what is true of its image, where the data set knows it:
    see :func:`truth_in`. The rows go to a hidden file of each process as they
    come, so that memory does not grow with them; the first process joins the
    files at the end, in the order of the data set.

    Args:
        tested: What is tested.
        maps: Whether to write the anomaly maps, too.

    Raises:
        OSError: In the test, if a file cannot be written.
        ValueError: In the test, if maps are wanted of a model that makes
            none, or two images would share one.
    """

    priority = 'LOWEST'

    def __init__(self, tested: TestedModel, maps: bool = False) -> None:
        self.tested, self.maps = tested, maps
        self._open = ExitStack()
        self._lines: IO[str] | None = None
        self._writer: MapWriter | None = None
        self._kind: PredictionKind | None = None
        self._looked = self._finished = False
        self._n_seen = 0

    def before_test(self, runner: Runner) -> None:
        """Begin the files."""
        data_set = runner.test_dataloader.dataset
        self.folder = Path(runner.log_dir)
        self.size, self.root = len(data_set), _root_of(data_set)
        if self.maps:
            require_own_maps(
                relative_path(path, self.root) for path in _paths(data_set)
            )
        own = self._part(get_rank())
        self._open.callback(own.unlink, missing_ok=True)
        self._lines = self._open.enter_context(own.open('w', encoding='utf-8'))

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[Any] | None = None,
    ) -> None:
        """Keep what was predicted for a batch."""
        for sample in outputs or ():
            if not self._looked:
                self._looked = True
                self._begin(runner, sample)
            if self._kind is not None:
                self._keep(self._kind, sample)

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the tables."""
        if self._lines is None or self._kind is None:
            return
        self._lines.flush()
        if self._writer is not None:
            self._writer.close()
        barrier()
        if is_main_process():
            self._write(runner, self._kind)
        barrier()
        self._finished = True

    def close(self) -> None:
        """Remove what is not needed after a test, or of one without end."""
        self._open.close()

    def _begin(self, runner: Runner, sample: Any) -> None:
        """Look at what a model makes, and say if it cannot be kept."""
        is_sample = isinstance(sample, BaseDataElement)
        name = kind_in(sample) if is_sample else None
        fault = ''
        if name is None:
            fault = 'the model is of another kind'
        elif 'img_path' not in sample or 'ori_shape' not in sample:
            fault = (
                'its data samples lack img_path or ori_shape: add them to '
                'meta_keys of the last step of the pipeline'
            )
        elif self.maps and name != ANOMALY:
            fault = f'a {name} makes none: leave --maps out'
        if name is None or fault:
            if self.maps:
                raise ValueError(
                    f'maps of this test cannot be kept, as {fault}'
                )
            runner.logger.info(f'predictions are not kept, as {fault}')
            return
        data_set = runner.test_dataloader.dataset
        classes = (getattr(data_set, 'metainfo', None) or {}).get('classes')
        named = [*map(str, classes or ())]
        count = len(sample.pred_score) if name == CLASSIFIER else len(named)
        if len(named) != count:
            named = [*map(str, range(count))]
        model = getattr(runner.model, 'module', runner.model)
        notes = self.tested.notes(name, named, model)
        least = None
        if name == DETECTOR:
            least = min(KEPT, notes.threshold or 0.0)
        self._kind = kind_of(notes, Tested(name), least)
        if self.maps:
            folder = self.folder / MAPS
            self._open.callback(self._forget, folder)
            self._writer = self._open.enter_context(
                MapWriter(folder, rank=get_rank())
            )

    def _keep(self, kind: PredictionKind, sample: Any) -> None:
        path = os.path.abspath(sample.img_path)
        [found] = kind.predict([path], [sample])
        height, width = sample.ori_shape[:2]
        found.size = int(height), int(width)
        truth = truth_in(kind.notes.kind, sample, kind.classes)
        row = {**row_of(found), TRUTH: truth}
        if self._lines is not None:
            self._lines.write(f'{json.dumps(row)}\n')
        # samplers repeat images at the end, for processes to get as many
        index = get_rank() + self._n_seen * get_world_size()
        self._n_seen += 1
        if self._writer is not None and index < self.size:
            self._write_map(self._writer, found)

    def _write_map(self, writer: MapWriter, found: Any) -> None:
        reason = writer.write(
            *(inside(relative_path(found.path, self.root)),),
            *(found.anomaly_map, found.size, found.score),
            FileState.of(found.path),
        )
        if reason is not None:
            raise OSError(f'no map of {found.path}: {reason}')

    def _write(self, runner: Runner, kind: PredictionKind) -> None:
        parts = map(self._part, range(get_world_size()))
        missing = [str(part) for part in parts if not part.is_file()]
        if missing:
            runner.logger.warning(
                f'predictions are not kept, as {missing[0]} of another '
                'machine is not here: name a folder that all of them share '
                'as --work-dir'
            )
            return
        more = {}
        if kind.notes.kind == DETECTOR:
            more['score_threshold'] = kind.notes.threshold
            more['kept_from'] = min(KEPT, kind.notes.threshold or 0.0)
        if self.maps:
            join_manifests(self.folder / MAPS)
        self.tested.made_by().write(self.folder / RECORD)
        tables = table_parts(
            kind,
            self._rows,
            model=self.tested.describe(kind.notes.kind),
            overlays=None,
            maps=MAPS if self.maps else None,
            root=self.root,
            more=more,
            truth=True,
        )
        for name, data in tables.items():
            atomic_write(self.folder / name, data)
        runner.logger.info(f'predictions are kept in {self.folder}')

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Read the rows of all processes, in the order of the data set."""
        with ExitStack() as stack:
            parts = [
                stack.enter_context(self._part(rank).open(encoding='utf-8'))
                for rank in range(get_world_size())
            ]
            lines = (line for turn in zip_longest(*parts) for line in turn)
            yield from map(json.loads, islice(filter(None, lines), self.size))

    def _part(self, rank: int) -> Path:
        return self.folder / f'.predictions.{rank}.jsonl'

    def _forget(self, maps: Path) -> None:
        if not self._finished:
            shutil.rmtree(maps, ignore_errors=True)


def _root_of(data_set: Any) -> str:
    """Return the folder that the images of a data set lie in."""
    folders = []
    for own in inner_sets(data_set):
        prefix = getattr(own, 'data_prefix', None) or {}
        named = prefix.get('img_path') or prefix.get('img')
        folder = named or getattr(own, 'data_root', None) or ''
        folders.append(os.path.abspath(folder))
    return os.path.commonpath(folders)


def _paths(data_set: Any) -> Iterator[str]:
    for own in inner_sets(data_set):
        if hasattr(own, 'get_data_info'):
            for index in range(len(own)):
                yield own.get_data_info(index)['img_path']
