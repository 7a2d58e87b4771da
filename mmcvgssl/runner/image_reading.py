"""The options of image reading, set once for all steps of a run."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.runner import find_latest_checkpoint

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_seen import build_infos
from mmcvgssl.datasets.reading import check_depth_range, pixel_limit
from mmcvgssl.datasets.reading.survey import Range, survey_images
from mmcvgssl.datasets.transforms.unreadable_files import UNREADABLE
from mmcvgssl.datasets.unreadable_share import MAX_UNREADABLE
from mmcvgssl.models.anomaly.fitted_state import (
    FittedStateError,
    read_provenance,
)
from mmcvgssl.provenance import IMAGE_OPTIONS, Reading, reading_in
from mmcvgssl.runner.annotations import coco_paths, coco_sets
from mmcvgssl.runner.checkpoint_config import literal_config
from mmcvgssl.runner.load_steps import (
    OPTIONS,
    image_steps,
    load_steps,
    type_name,
)
from mmcvgssl.runner.tiling import settle_tiles
from mmcvgssl.utils import log_once
from mmcvgssl.weights import read_checkpoint


def settle_images(
    cfg: Config,
    testing: bool = False,
    paths: Sequence[str] | None = None,
    learned: Range | None = None,
    measure: bool = True,
    log: bool = True,
) -> list[tuple[int, str]]:
    """Decide how images are read; write it into each step that reads them.

    ``depth_range``, ``page``, ``max_pixels``, ``tile`` and ``overlap`` at the
    top of a config hold for all its steps. Where images have more than 8 bits
    and no range is given, it is that of the run which is tested or resumed,
    or is measured on the images that are trained on or fitted to. The config
    then says it, so that what is written of the run does.

    Args:
        cfg: Is changed.
        testing: Whether nothing is trained.
        paths: The images to measure on; by default those of
            ``train_dataloader`` or ``fit_dataloader``.
        learned: The range of what was fitted before.
        measure: Whether a range that is not given is measured; without, deep
            images are refused when they are read.
        log: Whether to log what was found, each line once a process.

    Returns:
        Level and text of the lines that are still to be logged.

    Raises:
        ValueError: If an option is out of range, or images have no range in
            common.
    """
    check_depth_range(cfg.get('depth_range'))
    pixel_limit(cfg.get('max_pixels'))
    share = cfg.get('max_unreadable', MAX_UNREADABLE)
    if not 0 <= share <= 1:
        raise ValueError(
            f'max_unreadable is a share of the images in [0, 1], got {share}'
        )
    hand_down(cfg)
    steps = list(image_steps(cfg._cfg_dict))
    if not steps and paths is None:
        return []
    box: list[Any] = [None, None, None]
    lines: list[tuple[int, str]] = []
    if is_main_process():
        try:
            if paths is None:
                paths = _measured_on(cfg, testing)
            box[:2] = (
                len(paths),
                _choose(
                    *(cfg, steps, testing, paths, learned, measure), lines
                ),
            )
        except (OSError, ValueError) as error:
            box[2] = error
    broadcast_object_list(box)
    if box[2] is not None:
        raise box[2]
    if box[1] is not None:
        cfg.depth_range = box[1]
        hand_down(cfg)
    if not testing:
        _skip_unreadable(cfg, int(share * box[0]))
    if not log:
        return lines
    for level, text in lines:
        log_once(text, level)
    return []


def reading_of(cfg: Config) -> dict[str, Any]:
    """Return the settled options of a config, for ``LoadImage``."""
    return {key: cfg.get(key) for key in IMAGE_OPTIONS}


def reading_of_test(cfg: Config) -> Reading:
    """Return how a settled config's test reads images."""
    step = next(image_steps(cfg.get('test_dataloader')), {})
    return {key: step.get(key) for key in IMAGE_OPTIONS}


def fitted_range(file: str | Path) -> Range | None:
    """Return the range that the images of a fitted state were read with."""
    try:
        known = read_provenance(Path(file))
    except FittedStateError:  # loading the file later reports what is wrong
        return None
    return reading_in({} if known is None else known.values)['depth_range']


def hand_down(cfg: Config) -> None:
    """Write the options at the top of a config into the steps that take them.

    Args:
        cfg: Is changed.

    Raises:
        ValueError: If images cannot be cut into tiles so.
    """
    for step in load_steps(cfg._cfg_dict):
        for key in OPTIONS[type_name(step)]:
            if cfg.get(key) is not None and step.get(key) is None:
                step[key] = cfg[key]
    settle_tiles(cfg)


def _choose(
    cfg: Config,
    steps: Sequence[MutableMapping[str, Any]],
    testing: bool,
    paths: Sequence[str],
    learned: Range | None,
    measure: bool,
    lines: list[tuple[int, str]],
) -> Range | None:
    """Return the range of deep images, None where there are none."""
    survey = survey_images(paths, cfg.get('page'), cfg.get('max_pixels'))
    own_ranges = [step.get('depth_range') for step in steps]
    chosen: Any = cfg.get('depth_range') or next(
        filter(None, own_ranges), None
    )
    given = chosen is not None
    if chosen is None and (survey.deep or not paths):
        chosen = learned or _learned(cfg, testing)
        given = chosen is not None
    if chosen is None and survey.deep and measure:
        chosen = survey.choose_range()
    if chosen is not None:
        chosen = tuple(
            int(v) if float(v).is_integer() else float(v) for v in chosen
        )
    lines += survey.lines(chosen, given)
    if cfg.get('depth_range') is None and all(own_ranges):
        return None  # each step has its own
    return chosen


def _measured_on(cfg: Config, testing: bool) -> list[str]:
    """List the images that a range is measured on."""
    parts = ['fit'] if testing else ['train', 'fit']
    if testing and not cfg.get('load_from'):
        parts.append('test')  # no earlier run has learned a range
    for part in parts:
        loader = cfg.get(f'{part}_dataloader')
        if loader is not None:
            sets = _data_sets(loader.get('dataset'))
            return [path for node in sets for path in list_paths(cfg, node)]
    return []


def list_paths(cfg: Config, data_set: MutableMapping[str, Any]) -> list[str]:
    """Return the paths of a data set's images, boxes checked or built.

    Raises:
        AnnotationError: Names what is wrong with a file of boxes.
    """
    if any(coco_sets(data_set)):
        file, folder = coco_paths(data_set)
        found = check_coco(file, testing=True)
        found.raise_problems()
        return [str(folder / i['file_name']) for i in found.content['images']]
    bare = dict(data_set)
    if bare.get('verify'):
        bare['verify'] = False
    infos = build_infos(bare, cfg.get('default_scope') or 'mmpretrain')
    return [info['img_path'] for info in infos if 'img_path' in info]


def _data_sets(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find the data sets that read images by this package's reader."""
    if isinstance(node, MutableMapping):
        if any(image_steps(node.get('pipeline'))):
            yield node
            return
        for key in ('dataset', 'datasets'):
            yield from _data_sets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _data_sets(item)


def _learned(cfg: Config, testing: bool) -> Range | None:
    """Return the range of the run that is tested or gone on with."""
    source = cfg.get('load_from') if testing or cfg.get('resume') else None
    if not source and not testing and cfg.get('resume'):
        source = find_latest_checkpoint(str(cfg.work_dir))
    return learned_range(source) if source else None


def learned_range(source: str | Path) -> Range | None:
    """Return the range that a checkpoint's images were read with."""
    if not Path(source).is_file():
        return None
    try:
        meta = read_checkpoint(source).get('meta') or {}
        settings = literal_config(str(meta.get('cfg') or ''), ('depth_range',))
    except ValueError:
        return None  # loading the file later reports what is wrong
    found = settings.get('depth_range')
    return tuple(found) if found else None


def _skip_unreadable(cfg: Config, most: int) -> None:
    """Let a detector's training skip files, as others do by themselves.

    Args:
        cfg: Is changed.
        most: Number of files that may be unreadable.
    """
    loader = cfg.get('train_dataloader') or {}
    if not any(coco_sets(loader.get('dataset'))):
        return
    # hooks switch pipelines
    for node in (loader, cfg.get('custom_hooks')):
        for step in image_steps(node):
            step.setdefault('max_unreadable', most)
    UNREADABLE.clear()
