"""The command line of a stage, as one could type it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from mmengine.config import Config

from mmcvgssl.apis.pipeline.inputs import Inputs
from mmcvgssl.apis.pipeline.plan import Planned
from mmcvgssl.apis.pipeline.stage import (
    PREDICTIONS,
    build_config,
    fill,
    shipped,
)
from mmcvgssl.utils import atomic_write

CONFIG = 'config.py'


def command(
    planned: Planned, places: Mapping[str, str], processes: int = 1
) -> list[str]:
    """Return the words of a stage's command line.

    Args:
        planned: The stage.
        places: What stands for ``{place}``.
        processes: On this machine; tools that know launchers get as many.
    """
    stage, folder = planned.stage, planned.folder
    tool = str(shipped('tools') / f'{stage.tool}.py')
    config = str(folder / CONFIG)
    images = ['--root', places['root']]
    if stage.tool == 'maps_to_boxes':
        words = [sys.executable, tool, places[stage.config]]
        words += [places['images'], *images, '--out', planned.output]
        words += ['--preview', str(folder / 'preview')]
        for key, value in fill(stage.arguments, places).items():
            if value is not False:
                words += [f'--{key.replace("_", "-")}']
                words += [] if value is True else [str(value)]
        return words
    if stage.tool == 'make_maps':
        words = [tool, config, '--images', places['images'], *images]
        words += ['--out', planned.output, '--work-dir', str(folder / 'log')]
    elif stage.tool == 'train':
        words = [tool, config, '--work-dir', str(folder), '--resume', 'auto']
    else:
        words = [tool, config, places[stage.config]]
        words += ['--work-dir', str(folder), '--out', planned.output]
    if processes == 1:
        return [sys.executable, *words]
    launch = ['-m', 'torch.distributed.run', '--nproc_per_node']
    return [
        *(sys.executable, *launch, str(processes)),
        *(*words, '--launcher', 'pytorch'),
    ]


def write_config(
    planned: Planned,
    plan: Mapping[str, Planned],
    inputs: Inputs,
    places: Mapping[str, str],
) -> None:
    """Write the config that a stage's command names, with all options."""
    stage = planned.stage
    if stage.tool == 'maps_to_boxes':
        return
    options = dict(stage.options)
    if stage.tool == 'test':
        trained = plan[stage.config].stage
        options = {**trained.options, **options}
        options[PREDICTIONS] = str(planned.folder / 'predictions')
        stage = trained
    classes = inputs.classes if stage.num_classes else ()
    cfg: Config = build_config(stage.config, fill(options, places), classes)
    atomic_write(planned.folder / CONFIG, cfg.pretty_text.encode())
