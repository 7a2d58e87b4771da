"""Provenance of the results of stages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.datasets.wrapped import inner_configs
from mmcvgssl.models.anomaly.prompts import load_knowledge
from mmcvgssl.pipeline.stage import (
    INPUTS,
    Stage,
    is_of_test,
    placeholders_in,
)
from mmcvgssl.provenance import (
    SPEED,
    FileTable,
    Provenance,
    of_config,
    of_dataset,
    of_versions,
)
from mmcvgssl.registry import MODELS

# of configs, where a run writes and how it talks
_RUN = frozenset(
    {
        *('work_dir', 'log_level', 'log_processor', 'visualizer', 'launcher'),
        *('vis_backends', 'experiment_name', 'custom_imports', 'resume'),
    }
)
# of a config, what says which images a tool reads
_LOADERS = {
    'make_maps': 'fit_dataloader',
    'train': 'train_dataloader',
    'test': 'test_dataloader',
}


def of_stage(
    stage: Stage,
    cfg: Config | None,
    trained: Stage | None,
    root: Path,
    given: Mapping[str, Provenance],
    work_dir: Path,
    processes: int,
) -> Provenance:
    """Return what a stage's result depends on, other stages aside.

    Args:
        stage: The stage.
        cfg: Its config, with texts as ``{root}`` in it; of a test, the
            config of the training; None if it has none.
        trained: For a test, the stage that is tested.
        root: Folder of the images.
        given: Result of :meth:`Inputs.provenance`.
        work_dir: Folder of results, whose pictures are no images.
        processes: Number of processes of each training.
    """
    ours = Provenance({'tool': stage.tool, 'arguments': stage.arguments})
    test = stage.tool == 'test'
    owner = trained or stage
    parts = {'options': owner.options, 'config': cfg or {}}
    if test:
        parts['test_options'] = stage.options
    if (
        owner.tool == 'train'
    ):  # a training's test depends on the test options alone
        parts = {
            name: {k: v for k, v in values.items() if is_of_test(k) == test}
            if name != 'test_options'
            else values
            for name, values in parts.items()
        }
    ours |= Provenance(of_config(parts, SPEED | _RUN))
    ours |= of_versions(cfg)
    if stage.tool == 'train':
        ours |= Provenance({'processes': processes})
    for name in _inputs_of(stage, given):
        ours |= given[name]
    own = [] if cfg is None else _own_sets(stage.tool, cfg)
    asked = [{*placeholders_in(data_set)} for data_set in own]
    # no list names the images
    if set(stage.learns_from) == {'root'} or {'root'} in asked:
        paths = images_below(root, [work_dir])
        ours |= Provenance(None, {'root': FileTable.of(root, paths)})
    if cfg is not None:
        scope = cfg.get('default_scope', 'mmpretrain')
        named = [own[i] for i, names in enumerate(asked) if not names]
        for number, data_set in enumerate(named, 1):
            table = f'own_images_{number}' if number > 1 else 'own_images'
            ours |= _of_own_images(data_set, table, scope)
        ours |= _of_knowledge(cfg.model)
    return ours


def _inputs_of(stage: Stage, given: Mapping[str, Provenance]) -> list[str]:
    """Return the lists that a stage reads; all where it does not say."""
    wanted = {INPUTS[p] for p in stage.learns_from if p in INPUTS}
    if 'lists' in stage.learns_from:
        texts = [str(value) for value in stage.options.values()]
        used = {name for name in given if any(name in t for t in texts)}
        wanted |= used or set(given)
    return [name for name in given if name in wanted]


def _own_sets(tool: str, cfg: Config) -> list[dict[str, Any]]:
    """Return the data sets that a config reads, those in wrappers, too."""
    loader = cfg.get(_LOADERS[tool])
    if loader is None:
        return []
    if tool == 'make_maps':
        kind = MODELS.get(cfg.model['type'])
        if getattr(kind, 'fits_on_collection', False):
            return []
    return [
        {**found, 'pipeline': []} if 'pipeline' in found else {**found}
        for found in inner_configs(loader.dataset.to_dict())
    ]


def _of_own_images(
    options: dict[str, Any], name: str, scope: str
) -> Provenance:
    """Return images that a config names itself, without the inputs."""
    try:
        with DATASETS.switch_scope_and_registry(scope) as registry:
            data_set = registry.build(options)
        return of_dataset(data_set, name)
    except FileNotFoundError:  # the stage says so, if it needs them
        return Provenance({name: 'missing'})


def _of_knowledge(model: Mapping[str, Any]) -> Provenance:
    """Return the normal images that knowledge names."""
    found = Provenance()
    for part in _dicts(model):
        source = part.get('knowledge')
        if source is None or not part.get('k'):
            continue
        known = load_knowledge(source)
        paths = [p for facts in known.values() for p in facts.normal_images]
        there = [path for path in paths if Path(path).is_file()]
        table = FileTable.of('/', [str(Path(p).resolve()) for p in there])
        found |= Provenance(None, {'normal_images': table})
    return found


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    """Return all dicts in a config."""
    if isinstance(value, Mapping):
        inner = [d for item in value.values() for d in _dicts(item)]
        return [value, *inner]
    if isinstance(value, (list, tuple)):
        return [d for item in value for d in _dicts(item)]
    return []
