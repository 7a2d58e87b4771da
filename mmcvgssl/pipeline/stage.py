"""Stages of a pipeline, as a config names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmcvgssl.models.class_counts import class_counts
from mmcvgssl.pipeline.arguments import check_arguments
from mmcvgssl.pipeline.inputs import IMAGES, TEST, TRAIN
from mmcvgssl.pipeline.self_training import SELF_TRAINING, expanded
from mmcvgssl.runner.annotations import coco_sets
from mmcvgssl.runner.config import load_config
from mmcvgssl.shipped import shipped

TOOLS = (
    *('make_maps', 'maps_to_boxes', 'train', 'test', 'folds', 'self_train'),
    SELF_TRAINING,
)
INPUTS = {'images': IMAGES, 'labels_train': TRAIN, 'labels_test': TEST}
# tools that read the result of a stage of another tool
_TAKES = {
    'test': 'train',
    'maps_to_boxes': 'make_maps',
    'self_train': 'train',
}
_PLACEHOLDER = re.compile(r'\{(\w+)\}')
_SHIPPED = 'mmcvgssl::'
PREDICTIONS = 'test_evaluator.outfile_prefix'


@dataclass(frozen=True)
class Stage:
    """One stage: a function and its arguments.

    In texts, ``{root}`` is the folder of images, ``{lists}`` that of
    ``images.txt``, ``labels_train.json`` and ``labels_test.json``,
    ``{images}``, ``{labels_train}`` and ``{labels_test}`` are these files,
    and ``{stage}`` is what an earlier stage made: a folder of maps, a file
    of boxes, a checkpoint.

    Args:
        name: Name of the stage, and its folders.
        tool: One of ``TOOLS``; the script in ``tools`` that is called so
            does the same.
        config: Config file; ``mmcvgssl::…`` is one of the package's. For
            ``test``, ``self_train`` and ``maps_to_boxes``, the name of the
            stage whose detector or maps these take.
        options: Options of the config, as ``--cfg-options``.
        arguments: Further arguments of ``maps_to_boxes``, ``self_train`` or
            ``folds``, by name.
        num_classes: ``'labels'`` builds the detector for the labels'
            categories.
        epoch: ``'labels'`` makes an epoch of a training as long as one over
            the labelled images, however many images it has.
        held_out: Of ``self_train``, the stages of trainings and of their
            folds: pairs of a training's name and a text of its labels.
        like: The stage whose options it has.
    """

    name: str
    tool: str
    config: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    num_classes: str | None = None
    epoch: str | None = None
    held_out: Sequence[Sequence[str]] = ()
    like: str = ''

    @property
    def has_config(self) -> bool:
        """Whether its tool reads a config."""
        return self.tool in ('make_maps', 'train', 'test')

    @property
    def placeholders(self) -> list[str]:
        """Names in braces in its texts, and of the inputs it takes, once."""
        return self._asked(self.options)

    @property
    def learns_from(self) -> list[str]:
        """Those of its placeholders that its own result depends on.

        A training's detector is no other where it is tested otherwise.
        """
        if self.tool != 'train':
            return self.placeholders
        return self._asked(
            {k: v for k, v in self.options.items() if not is_of_test(k)}
        )

    def _asked(self, options: Mapping[str, Any]) -> list[str]:
        found = []
        texts = (*options.values(), *self.arguments.values(), self.held_out)
        for value in texts:
            found += placeholders_in(value)
        if self.tool in _TAKES:
            found.append(self.config)
        if self.tool == 'test':
            found.append('labels_test')
        takes_labels = self.tool in ('folds', 'self_train')
        if 'labels' in (self.num_classes, self.epoch) or takes_labels:
            found.append('labels_train')
        if self.tool in ('make_maps', 'maps_to_boxes', 'self_train'):
            found.append('images')
        return list(dict.fromkeys(found))


def is_of_test(option: str) -> bool:
    """Whether an option is of the test loop alone."""
    return option.startswith('test_')


def read_stages(cfg: Config) -> dict[str, Stage]:
    """Read the stages of a pipeline's config, in order.

    Raises:
        ValueError: If one is malformed, or asks for what no earlier one
            makes.
    """
    configured = cfg.get('stages')
    if not configured:
        raise ValueError(
            f'{cfg.filename} describes no pipeline: expected `stages`, as in '
            'configs/pipelines'
        )
    plain = expanded({n: v.to_dict() for n, v in configured.items()})
    stages: dict[str, Stage] = {}
    known = {'root', 'lists', *INPUTS}
    for name, values in plain.items():
        try:
            stage = Stage(name, **values)
        except TypeError as error:
            raise ValueError(f'stage {name}: {error}') from error
        if stage.tool not in TOOLS:
            raise ValueError(
                f'stage {name}: tool is one of {", ".join(TOOLS)}, got '
                f'{stage.tool!r}'
            )
        check_arguments(name, stage.tool, stage.arguments)
        unknown = [n for n in stage.placeholders if n not in known]
        if unknown:
            raise ValueError(
                f'stage {name} asks for {", ".join(unknown)}: expected an '
                f'input or an earlier stage: {", ".join(sorted(known))}'
            )
        maker = _TAKES.get(stage.tool)
        taken = [n for n, other in stages.items() if other.tool == maker]
        if maker is not None and stage.config not in taken:
            raise ValueError(
                f'stage {name}: config of {stage.tool} is an earlier stage '
                f'of {maker} ({", ".join(taken) or "there is none"}), got '
                f'{stage.config!r}'
            )
        if PREDICTIONS in _dotted(stage.options):
            raise ValueError(
                f'stage {name} sets {PREDICTIONS}, which the pipeline sets '
                'itself: leave it out, predictions go to the folder of the '
                'stage that tests'
            )
        stages[name] = stage
        known.add(name)
    return stages


def placeholders_in(value: Any) -> list[str]:
    """Return the names in braces in nested texts, as often as they stand."""
    return _PLACEHOLDER.findall(str(value))


def fill(value: Any, values: Mapping[str, str]) -> Any:
    """Replace ``{name}`` in nested texts by the value of this name."""
    if isinstance(value, str):
        filled = _PLACEHOLDER.sub(
            lambda found: values.get(found[1], found[0]), value
        )
        return type(value)(filled)  # typed text stays what it is
    if isinstance(value, Mapping):
        return {key: fill(item, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill(item, values) for item in value)
    return value


def build_config(
    path: str,
    options: Mapping[str, Any],
    classes: tuple[str, ...] = (),
    samples: int | None = None,
) -> Config:
    """Load the config of a stage; with classes, for these.

    Args:
        path: The config file.
        options: Its options.
        classes: Names of the labels' categories.
        samples: Images that an epoch of all processes is as long as, however
            many there are to learn from; None: it is one pass over these.

    Raises:
        ValueError: If it describes no detector to give classes to.
    """
    cfg = load_config(find_config(path), _dotted(options))
    if classes:
        set_classes(cfg, classes)
    if samples is not None:
        batch = cfg.train_dataloader.get('batch_size', 1)
        cfg.train_dataloader.sampler = ConfigDict(
            type='mmcvgssl.UpdateSampler',
            updates=max(-(-samples // batch), 1),
            batch_size=batch,
        )
    return cfg


def _dotted(options: Mapping[str, Any], above: str = '') -> dict[str, Any]:
    """Name nested options by their path; of two with one path, the last.

    The command line adds ``a={'b': 1}`` to what a pipeline calls ``a.c``;
    mmengine would take one of both.
    """
    found: dict[str, Any] = {}
    for key, value in options.items():
        inner = isinstance(value, Mapping) and value
        found |= (
            _dotted(value, f'{above}{key}.')
            if inner
            else {f'{above}{key}': value}
        )
    return found


def find_config(path: str) -> Path:
    """Find a config file; ``mmcvgssl::…`` is one of the package's."""
    if path.startswith(_SHIPPED):
        return shipped('configs') / path.removeprefix(_SHIPPED)
    return Path(path)


def set_classes(cfg: Config, classes: tuple[str, ...]) -> None:
    """Build a detector, and its data sets, for these classes.

    Raises:
        ValueError: If its model has no ``num_classes``.
    """
    counts = list(class_counts(cfg.model))
    if not counts:
        raise ValueError(f'{cfg.filename} has no detector with num_classes')
    for _, part in counts:
        part['num_classes'] = len(classes)
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader') or {}
        for data_set in coco_sets(loader.get('dataset')):
            data_set['metainfo'] = dict(classes=classes)
