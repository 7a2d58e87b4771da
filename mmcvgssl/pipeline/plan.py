"""The plan of a pipeline: the state of each stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.config import Config

from mmcvgssl.apis.self_training.files import JOINED
from mmcvgssl.pipeline.depends import of_stage
from mmcvgssl.pipeline.inputs import Inputs, read_known
from mmcvgssl.pipeline.stage import INPUTS, Stage, build_config
from mmcvgssl.provenance import Provenance, ProvenanceError, named
from mmcvgssl.weights import WeightsError
from mmcvgssl.weights.checkpoints import checkpoints_in, what_is_wrong

DONE, DEPENDS = 'done.json', 'stage.json'
LISTS = 'inputs'
UP_TO_DATE, GO_ON, RUN, LEFT_OUT = 'up to date', 'go on', 'run', 'left out'


@dataclass(frozen=True)
class Planned:
    """A stage, and the folder of these inputs and settings.

    A change gives another folder, so nothing made before is lost, and going
    back to old settings finds what they made.

    Args:
        stage: The stage.
        key: Digest of what its result depends on.
        folder: Folder of its results.
        reason: Why it is to be run.
        depends: Provenance of its result.
    """

    stage: Stage
    key: str
    folder: Path
    reason: str = ''
    depends: Provenance = field(default_factory=Provenance)

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
            mmcvgssl.weights.WeightsError: If the last one is cut off.
        """
        if self.stage.tool == 'make_maps':
            return str(self.folder / 'maps')
        if self.stage.tool == 'maps_to_boxes':
            return str(self.folder / 'boxes.json')
        if self.stage.tool == 'folds':
            return str(self.folder / 'folds')
        if self.stage.tool == 'self_train':
            return str(self.folder / 'joined' / JOINED)
        if self.stage.tool == 'test':
            return str(self.folder / 'metrics.json')
        if self.state != UP_TO_DATE:
            return f'<checkpoint of {self.stage.name}>'
        found = checkpoints_in(self.folder)
        if not found:
            raise FileNotFoundError(
                f'{self.folder} has no checkpoint any more: remove the '
                f'folder, and stage {self.stage.name} runs again'
            )
        fault = what_is_wrong(found[0])
        if fault:
            raise WeightsError(
                f'{fault}; remove {self.folder / DONE}, and stage '
                f'{self.stage.name} goes on from its newest whole checkpoint'
            )
        return str(found[0])


def make_plan(
    stages: Mapping[str, Stage],
    inputs: Inputs,
    work_dir: Path,
    processes: int = 1,
) -> dict[str, Planned]:
    """Find the state of every stage.

    Args:
        stages: The stages, in order.
        inputs: Images and labels.
        work_dir: Folder of the stages' folders.
        processes: Number of processes of each training.

    Raises:
        ValueError: If a batch is larger than what is learned from.
        ImportError: If a stage's config needs a package that is missing.
        KeyError: If an option is in no config.
        FileNotFoundError: If a config is missing.
    """
    known = read_known(work_dir / LISTS)
    given = inputs.provenance(known)
    found = {name: given.get(file) for name, file in INPUTS.items()}
    plan: dict[str, Planned] = {}
    configs: dict[str, Config] = {}
    for name, stage in stages.items():
        if any(
            _is_left_out(asked, plan, found) for asked in stage.placeholders
        ):
            plan[name] = Planned(stage, '', work_dir, 'no labels')
            continue
        if stage.tool in ('make_maps', 'train'):
            classes = inputs.classes if stage.num_classes else ()
            configs[name] = build_config(
                *(stage.config, stage.options, classes),
                inputs.samples(processes) if stage.epoch else None,
            )
        if stage.tool == 'train':
            _check_batch(stage, configs[name], inputs, processes, stages)
        trained = stages[stage.config] if stage.tool == 'test' else None
        cfg = configs.get(stage.config if trained else name)
        depends = of_stage(
            stage, cfg, trained, inputs.root, given, work_dir, processes
        )
        for source in stage.learns_from:
            if source in plan:
                depends |= Provenance({f'stage {source}': plan[source].key})
        key = depends.digest[:12]
        folder = work_dir / f'{name}-{key}'
        reason = _reason(depends, folder, name)
        plan[name] = Planned(stage, key, folder, reason, depends)
    return plan


def _is_left_out(
    name: str,
    plan: Mapping[str, Planned],
    found: Mapping[str, Provenance | None],
) -> bool:
    if name in plan:
        return not plan[name].key
    return name in found and found[name] is None


def _reason(depends: Provenance, folder: Path, name: str) -> str:
    """Say how a stage differs from when it was made last."""
    others = [p for p in folder.parent.glob(f'{name}-*') if p != folder]
    if not others:
        return ''
    last = max(others, key=lambda path: path.stat().st_mtime_ns)
    try:
        theirs = Provenance.read(last / DEPENDS)
    except ProvenanceError:
        theirs = None
    if theirs is None:
        return f'{last.name} does not say what it depends on'
    return f'not as {last.name}: {named(depends.differences(theirs))}'


def placeholder_values(
    plan: Mapping[str, Planned], inputs: Inputs, work_dir: Path
) -> dict[str, str]:
    """Return the value of each placeholder ``{name}`` of stages."""
    lists = work_dir / LISTS
    found = {name: str(lists / file) for name, file in INPUTS.items()}
    found |= {'root': str(inputs.root), 'lists': str(lists)}
    for name, planned in plan.items():
        if planned.key:
            found[name] = planned.output
    return found


def _check_batch(
    stage: Stage,
    cfg: Config,
    inputs: Inputs,
    processes: int,
    stages: Mapping[str, Stage],
) -> None:
    asked = [stages[name] for name in stage.placeholders if name in stages]
    labels = len(inputs.train['images']) if inputs.train else 0
    folds = [own.arguments['folds'] for own in asked if own.tool == 'folds']
    if folds:  # the largest fold is held out
        count = labels - -(-labels // int(folds[0]))
    elif 'labels_train' in stage.placeholders:
        count = labels
    elif 'lists' in stage.placeholders:
        count = len(inputs.images)
    else:
        return
    batch = cfg.train_dataloader.get('batch_size', 1) * processes
    if count < batch:
        owner = stage.like or stage.name
        key = f'stages.{owner}.options.train_dataloader.batch_size'
        raise ValueError(
            f'stage {stage.name} takes batches of {batch} images on '
            f'{processes} processes, and has {count}: give more, or '
            f'--cfg-options {key}={max(count // processes, 1)}'
        )
