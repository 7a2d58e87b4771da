"""The base class of tests by kind of model file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from mmcvgssl.datasets.text_lists import CLASS_NAMES
from mmcvgssl.datasets.wrapped import inner_configs, inner_sets
from mmcvgssl.model_file import LoadedModel
from mmcvgssl.registry import class_of
from mmcvgssl.runner.load_steps import OPTIONS, image_steps, type_name
from mmcvgssl.utils import printable
from mmcvgssl.weights.safe_build import with_tuples

# what a training, a validation or a fit reads, and no test
_OTHERS = tuple(
    f'{part}_{key}'
    for part in ('train', 'val', 'fit')
    for key in ('dataloader', 'cfg', 'evaluator')
)
# of a training; hooks of the config look at its fit_cfg
_TRAINING = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'resume')


class KindOfTest(ABC):
    """How models of a kind are tested, on a config's images or others.

    Args:
        loaded: The model.
    """

    # images that pass the model at once, where no config says it
    batch_size: ClassVar[int] = 16
    # what a config has to have, for messages
    expected: ClassVar[str] = ''

    def __init__(self, loaded: LoadedModel) -> None:
        self.content, self.source = loaded.content, loaded.source
        pipeline = loaded.content.images['pipeline']
        self.steps: list[dict[str, Any]] = with_tuples(pipeline)

    @property
    def scope(self) -> str:
        """The scope of a Runner that has no config."""
        return 'mmpretrain'

    def loader(self, **options: Any) -> ConfigDict:
        """Return a loader of a test, for a config that has none."""
        return ConfigDict(
            batch_size=self.batch_size,
            num_workers=2,
            persistent_workers=False,
            drop_last=False,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
            **options,
        )

    @abstractmethod
    def on_images(
        self, cfg: Config, images: str | Path, root: str | Path | None
    ) -> None:
        """Have a config of :func:`config_of` test on images of a path.

        Args:
            cfg: Is changed.
            images: Folder or file.
            root: Folder that a file's names are relative to.

        Raises:
            FileNotFoundError: If they are not there.
            ValueError: If they cannot be tested on.
        """

    @abstractmethod
    def on_config(self, cfg: Config) -> None:
        """Have a config's test read its images as the file says.

        Args:
            cfg: Is changed.

        Raises:
            ValueError: If the config tests models of another kind.
        """

    def classes_of(self, built: Any) -> Sequence[str] | None:
        """Return the names of the classes of a data set, None for any."""
        return None

    def finish(self, cfg: Config) -> None:
        """Leave the test alone in a config, of the file's model and reading.

        Args:
            cfg: Is changed.

        Raises:
            ValueError: If the config contradicts the file on how images are
                read.
        """
        for key in (*_OTHERS, *_TRAINING):
            cfg.pop(key, None)
        cfg.model = ConfigDict(self.content.model)
        own_tiles: dict[str, Any] = dict.fromkeys(OPTIONS['SquareResize'])
        for step in self.steps:
            if type_name(step) in ('SquareResize', 'TiledSteps'):
                own_tiles = {key: step.get(key) for key in own_tiles}
        for key, own in own_tiles.items():
            given = cfg.get(key)
            if given is not None and given != own:
                raise ValueError(
                    f'{self.source} reads images with {key}={own}, and '
                    f'{key}={given} is set: leave {key} out'
                )
        reading: Mapping[str, Any] = next(image_steps(self.steps), {})
        for key in OPTIONS['LoadImage'] if reading else ():
            given, own = cfg.get(key), reading.get(key)
            if key == 'max_pixels' or None in (given, own):
                continue
            if _plain(given) != _plain(own):
                raise ValueError(
                    f'{self.source} reads images with {key}={own}, and '
                    f'{key}={given} is set: leave {key} out'
                )

    def check(self, runner: Runner) -> None:
        """Compare the classes of the images with those of the file.

        Args:
            runner: Runner of the test.

        Raises:
            ValueError: If they differ.
        """
        for built in inner_sets(runner.test_dataloader.dataset):
            found = self.classes_of(built)
            if found is not None:
                check_classes(
                    found, self.content.classes, self.source, 'the data set'
                )

    def sets(
        self, cfg: Config
    ) -> Iterator[tuple[MutableMapping[str, Any], type]]:
        """Find the data sets of a config's test, however they are wrapped.

        Yields:
            The options of each, and its class.

        Raises:
            ValueError: If it has none, or one that has no pipeline, or not
                the labels that the kind is tested on.
        """
        loader = cfg.get('test_dataloader') or {}
        found = list(inner_configs(loader.get('dataset')))
        if not found:
            raise self.refuse(cfg)
        scope, where = cfg.get('default_scope'), 'test_dataloader.dataset'
        for node in found:
            kind = class_of(node.get('type'), DATASETS, scope, where)
            if 'pipeline' not in node or not self.takes(kind):
                raise self.refuse(cfg)
            yield node, kind

    @abstractmethod
    def takes(self, data_set: type) -> bool:
        """Whether a class of data sets has labels for the kind."""

    def refuse(self, cfg: Config) -> ValueError:
        """Return an error for a config of another kind of test."""
        return ValueError(
            f'{self.source} holds a model of kind {self.content.kind}, and '
            f'{cfg.filename} has no test for it: expected {self.expected}'
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def check_classes(
    found: Sequence[str],
    expected: Sequence[str],
    source: str,
    where: str,
    some: bool = False,
) -> None:
    """Refuse classes that are not those of a model file.

    Args:
        found: Names of the images' classes, by index.
        expected: Names of the file.
        source: The file.
        where: Source of the class names, for messages.
        some: Whether some of them are enough, in any order.

    Raises:
        ValueError: If they are not the same, in the same order.
    """
    if list(found) == list(expected) or (some and {*found} <= {*expected}):
        return
    order = ''
    if sorted(found) == sorted(expected):
        order = ', in this order'
    raise ValueError(
        f'{source} knows the classes {_named(expected)}, and {where} has '
        f'{_named(found)}: they must be the same{order}'
    )


def check_listed(
    file: str | Path,
    given: Any,
    classes: Sequence[str],
    source: str,
    more: str = '',
) -> None:
    """Refuse a list of indices that may be of other classes.

    Args:
        file: The list.
        given: Names of its classes, None if it has none.
        classes: Names of a model file.
        source: The file.
        more: Another way to name them, for the message.

    Raises:
        ValueError: If it has none, and those of the file are no indices.
    """
    numbers = [str(i) for i in range(len(classes))]
    if given is None and list(classes) != numbers:
        raise ValueError(
            f'{file} lists indices of classes without their names, and '
            f'{source} knows the classes {_named(classes)}: name them in '
            f'{CLASS_NAMES} beside the list, one a line{more}'
        )


def _named(classes: Sequence[Any]) -> str:
    return ', '.join(printable(str(name)) for name in classes)


def has_boxes(kind: type) -> bool:
    """Whether a class of data sets is mmdet's, or made of one."""
    return any(base.__module__.startswith('mmdet.') for base in kind.__mro__)


def refuse_root(root: str | Path | None) -> None:
    """Refuse a folder of listed names where a folder is tested on.

    Raises:
        ValueError: If there is one.
    """
    if root is not None:
        raise ValueError(
            f'--root {root} is for the names of a COCO file, which detectors '
            'are tested on: leave it out'
        )


def with_meta(
    packing: Mapping[str, Any], defaults: Sequence[str], *more: str
) -> dict[str, Any]:
    """Return a step that packs, with what is kept of each tested image.

    Args:
        packing: The step.
        defaults: Its ``meta_keys``, where it names none.
        more: Further ``meta_keys``.

    Example:
        >>> with_meta({'type': 'PackInputs'}, ['img_id'])['meta_keys']
        ('img_id', 'img_path', 'ori_shape')
    """
    own = packing.get('meta_keys') or defaults
    keys = dict.fromkeys([*own, 'img_path', 'ori_shape', *more])
    return {**packing, 'meta_keys': tuple(keys)}


def split_steps(
    steps: Sequence[Mapping[str, Any]], labels: str
) -> tuple[list[Any], list[Any], list[Any]]:
    """Divide steps into those that load labels, pack, and all others.

    Args:
        steps: Steps of a pipeline.
        labels: Name of the type that loads labels.

    Returns:
        What reads and resizes images, what loads labels, what packs.
    """
    parts: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for step in steps:
        name = type_name(step)
        packs = name.startswith('Pack') or name.endswith('PackInputs')
        parts[1 if name == labels else 2 if packs else 0].append(step)
    return parts
