"""The function that a stage calls, and the equivalent command."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmcvgssl.pipeline.arguments import read_arguments
from mmcvgssl.pipeline.inputs import Inputs
from mmcvgssl.pipeline.plan import Planned
from mmcvgssl.pipeline.stage import PREDICTIONS, build_config, fill
from mmcvgssl.shipped import shipped
from mmcvgssl.utils import atomic_write

CONFIG, CALL = 'config.py', 'call.json'
PROCESS = 'mmcvgssl.pipeline.stage_process'
# scripts in tools/ and, where there are several, what of them is called
_SCRIPTS = {'folds': ('prepare_data.py', 'folds')}
# positional arguments of these
_POSITIONAL = {
    'maps_to_boxes': ('maps', 'images'),
    'self_train': ('model',),
    'folds': ('file',),
}
_CONFIGS = ('config', 'checkpoint')
_NAMES = {'ious': 'iou'}
# arguments that are given several times
_REPEATED = ('held_out',)


@dataclass(frozen=True)
class Call:
    """A function of :mod:`stage_functions`, and what it is called with.

    Args:
        function: Its name, which is that of the tool that does the same.
        arguments: Arguments by name, as values of JSON.
        folder: Folder of the stage.
        processes: Number of processes that call it together.
    """

    function: str
    arguments: Mapping[str, Any]
    folder: Path
    processes: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Return function and arguments, as files hold them."""
        return {'function': self.function, 'arguments': {**self.arguments}}

    def write(self) -> None:
        """Write ``call.json`` to the stage's folder."""
        text = json.dumps(self.as_dict(), indent=1)
        atomic_write(self.folder / CALL, text.encode())

    def process(self) -> list[str]:
        """Return the command of a process of its own, or several.

        It reads ``call.json``.
        """
        file = str(self.folder / CALL)
        return self._launched(['-m', PROCESS, file])

    def typed(self) -> list[str]:
        """Return the command that one would type to do the same.

        It is that of a tool, with the same arguments; where the package came
        without tools, it is that of :meth:`process`.
        """
        script, *verb = _SCRIPTS.get(self.function, (f'{self.function}.py',))
        tool = shipped('tools') / script
        if not tool.is_file():
            return self.process()
        return self._launched([str(tool), *verb, *self._words()])

    def _words(self) -> list[str]:
        """Return the arguments as the tool takes them."""
        positional = _POSITIONAL.get(self.function, _CONFIGS)
        first, words = [], []
        for name, value in self.arguments.items():
            if name in positional:
                first.append(str(value))
                continue
            option = f'--{_NAMES.get(name, name).replace("_", "-")}'
            if name in _REPEATED:
                for each in value:
                    words += [option, *map(str, each)]
                continue
            words.append(option)
            if isinstance(value, list):
                words += map(str, value)
            elif value is not True:
                words.append(str(value))
        return first + words

    def _launched(self, words: list[str]) -> list[str]:
        if self.processes == 1:
            return [sys.executable, *words]
        launch = ['-m', 'torch.distributed.run', '--nproc_per_node']
        return [
            *(sys.executable, *launch, str(self.processes)),
            *(*words, '--launcher', 'pytorch'),
        ]


def call_of(
    planned: Planned, values: Mapping[str, str], processes: int = 1
) -> Call:
    """Return the call of a stage.

    Args:
        planned: The stage.
        values: Values by the names of the placeholders.
        processes: On this machine; functions that can use several get as
            many.
    """
    stage, folder = planned.stage, planned.folder
    given: dict[str, Any]
    images = {'images': values['images'], 'root': values['root']}
    made = {'out': planned.output}
    if stage.tool == 'maps_to_boxes':
        given = {'maps': values[stage.config], **images, **made}
        given |= {'preview': str(folder / 'preview')}
        given |= read_arguments(fill(stage.arguments, values))
        return Call(stage.tool, given, folder)
    labels = values.get('labels_train', '')
    if stage.tool == 'folds':
        given = {'file': labels, **made, 'root': values['root']}
        given |= read_arguments(stage.arguments, stage.tool)
        return Call(stage.tool, given, folder)
    if stage.tool == 'self_train':
        given = {'model': values[stage.config], **images, 'labels': labels}
        given['out'] = str(Path(planned.output).parent)
        parts = fill(stage.held_out, values)
        given['held_out'] = [list(part) for part in parts]
        given |= read_arguments(stage.arguments, stage.tool)
        return Call(stage.tool, given, folder)
    given = {'config': str(folder / CONFIG)}
    if stage.tool == 'make_maps':
        given |= {**images, **made, 'work_dir': str(folder / 'log')}
    elif stage.tool == 'train':
        given |= {'work_dir': str(folder), 'resume': 'auto'}
    else:
        given |= {'checkpoint': values[stage.config], 'work_dir': str(folder)}
        given |= made
    return Call(stage.tool, given, folder, processes)


def write_config(
    planned: Planned,
    plan: Mapping[str, Planned],
    inputs: Inputs,
    values: Mapping[str, str],
    processes: int = 1,
) -> None:
    """Write the config that a stage's call names, with all options.

    Args:
        planned: The stage.
        plan: All stages.
        inputs: Images and labels.
        values: Values by the names of the placeholders.
        processes: Number of processes of a training.
    """
    stage = planned.stage
    if not stage.has_config:
        return
    options = dict(stage.options)
    if stage.tool == 'test':
        trained = plan[stage.config].stage
        options = {**trained.options, **options}
        options[PREDICTIONS] = str(planned.folder / 'predictions')
        stage = trained
    classes = inputs.classes if stage.num_classes else ()
    cfg: Config = build_config(
        *(stage.config, fill(options, values), classes),
        inputs.samples(processes) if stage.epoch else None,
    )
    atomic_write(planned.folder / CONFIG, cfg.pretty_text.encode())
