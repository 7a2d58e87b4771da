"""Which stages are up to date, to be gone on with, or to be run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint

from mmcvgssl.apis.pipeline.inputs import Inputs
from mmcvgssl.apis.pipeline.stage import (
    INPUTS,
    Stage,
    build_config,
    is_of_test,
)
from mmcvgssl.version import __version__

DONE = 'done.json'
LISTS = 'inputs'
UP_TO_DATE, GO_ON, RUN, LEFT_OUT = 'up to date', 'go on', 'run', 'left out'


@dataclass(frozen=True)
class Planned:
    """A stage, and the folder of these inputs and settings.

    A change gives another folder, so nothing made before is lost, and going
    back to old settings finds what they made.

    Args:
        stage: The stage.
        key: Digest of inputs and settings.
        folder: Its place.
        reason: Why it is to be run.
    """

    stage: Stage
    key: str
    folder: Path
    reason: str = ''

    @property
    def state(self) -> str:
        """One of ``UP_TO_DATE``, ``GO_ON``, ``RUN`` and ``LEFT_OUT``."""
        if not self.key:
            return LEFT_OUT
        if (self.folder / DONE).is_file():
            return UP_TO_DATE
        return GO_ON if self.folder.is_dir() else RUN

    @property
    def output(self) -> str:
        """What the stage has made, or will have.

        Raises:
            FileNotFoundError: If a training has left no checkpoint.
        """
        if self.stage.tool == 'make_maps':
            return str(self.folder / 'maps')
        if self.stage.tool == 'maps_to_boxes':
            return str(self.folder / 'boxes.json')
        if self.stage.tool == 'test':
            return str(self.folder / 'metrics.json')
        if self.state != UP_TO_DATE:
            return f'<checkpoint of {self.stage.name}>'
        found = find_latest_checkpoint(str(self.folder))
        # the note of it holds the place where it was written
        file = self.folder / Path(found or '').name
        if found is None or not file.is_file():
            raise FileNotFoundError(
                f'{self.folder} has no checkpoint any more: remove the '
                f'folder, and stage {self.stage.name} runs again'
            )
        return str(file)


def make_plan(
    stages: Mapping[str, Stage],
    inputs: Inputs,
    work_dir: Path,
    processes: int = 1,
) -> dict[str, Planned]:
    """Find the state of every stage.

    Args:
        stages: In order.
        inputs: Images and labels.
        work_dir: Folder of the stages' folders.
        processes: Of each training.

    Raises:
        ValueError: If a batch is larger than what is learned from.
        ImportError: If a stage's config needs a package that is missing.
        KeyError: If an option is in no config.
        FileNotFoundError: If a config is missing.
    """
    digests = inputs.digests()
    keys = {name: digests.get(file, '') for name, file in INPUTS.items()}
    keys |= {'root': str(inputs.root), 'lists': ''}
    plan: dict[str, Planned] = {}
    configs: dict[str, Config] = {}
    for name, stage in stages.items():
        if any(not keys[p] for p in stage.places if p != 'lists'):
            keys[name] = ''
            plan[name] = Planned(stage, '', work_dir, 'no labels')
            continue
        used = {place: keys[place] for place in stage.learns_from}
        if stage.tool in ('make_maps', 'train'):
            classes = inputs.classes if stage.num_classes else ()
            configs[name] = build_config(stage.config, stage.options, classes)
        if stage.tool == 'train':
            _check_batch(stage, configs[name], inputs, processes)
        held = _settings(stage, configs.get(name), used)
        if stage.tool == 'test':
            trained, cfg = stages[stage.config], configs[stage.config]
            held['test'] = _settings(trained, cfg, {}, test=True)
        keys[name] = _digest(held)
        folder = work_dir / f'{name}-{keys[name]}'
        others = [p for p in work_dir.glob(f'{name}-*') if p != folder]
        reason = 'inputs or settings have changed' if others else ''
        plan[name] = Planned(stage, keys[name], folder, reason)
    return plan


def places(
    plan: Mapping[str, Planned], inputs: Inputs, work_dir: Path
) -> dict[str, str]:
    """Return what stands for ``{place}`` in the texts of stages."""
    lists = work_dir / LISTS
    found = {name: str(lists / file) for name, file in INPUTS.items()}
    found |= {'root': str(inputs.root), 'lists': str(lists)}
    for name, planned in plan.items():
        if planned.key:
            found[name] = planned.output
    return found


def _check_batch(
    stage: Stage, cfg: Config, inputs: Inputs, processes: int
) -> None:
    if 'labels_train' in stage.places:
        count = len(inputs.train['images']) if inputs.train else 0
    elif 'lists' in stage.places:
        count = len(inputs.images)
    else:
        return
    batch = cfg.train_dataloader.get('batch_size', 1) * processes
    if count < batch:
        key = f'stages.{stage.name}.options.train_dataloader.batch_size'
        raise ValueError(
            f'stage {stage.name} takes batches of {batch} images on '
            f'{processes} processes, and has {count}: give more, or '
            f'--cfg-options {key}={max(count // processes, 1)}'
        )


def _settings(
    stage: Stage,
    cfg: Config | None,
    used: Mapping[str, str],
    test: bool = False,
) -> dict[str, Any]:
    """Return all that a stage's result depends on, paths of outputs aside.

    Of a training, what its test reads is left out, or is all there is.
    """

    def own(values: Mapping[str, Any]) -> dict[str, Any]:
        if stage.tool != 'train':
            return dict(values)
        return {k: v for k, v in values.items() if is_of_test(k) == test}

    held: dict[str, Any] = {
        'version': __version__,
        'tool': stage.tool,
        'arguments': stage.arguments,
        'options': own(stage.options),
        'used': used,
    }
    if cfg is not None:
        held['config'] = own(cfg.to_dict())
    return held


def _digest(held: Mapping[str, Any]) -> str:
    text = json.dumps(held, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
