"""Child registries of mmengine's, so that ``mmcvgssl.X`` resolves anywhere.

``locations`` lets any host's ``default_scope`` find a class of this package
without ``custom_imports``.
"""

from typing import Any

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import EVALUATOR as MMENGINE_EVALUATOR
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import VISUALIZERS as MMENGINE_VISUALIZERS
from mmengine.registry import (
    WEIGHT_INITIALIZERS as MMENGINE_WEIGHT_INITIALIZERS,
)
from mmengine.registry import Registry

SCOPE = 'mmcvgssl'

MODELS = Registry(
    'model',
    parent=MMENGINE_MODELS,
    scope=SCOPE,
    locations=['mmcvgssl.models'],
)
WEIGHT_INITIALIZERS = Registry(
    'weight initializer',
    parent=MMENGINE_WEIGHT_INITIALIZERS,
    scope=SCOPE,
    locations=['mmcvgssl.models'],
)
DATASETS = Registry(
    'dataset',
    parent=MMENGINE_DATASETS,
    scope=SCOPE,
    locations=[
        'mmcvgssl.datasets.image_list',
        'mmcvgssl.datasets.one_class_dataset',
        'mmcvgssl.datasets.surface_images',
        'mmcvgssl.maps.anomaly_map_dataset',
    ],
)
DATA_SAMPLERS = Registry(
    'data sampler',
    parent=MMENGINE_DATA_SAMPLERS,
    scope=SCOPE,
    locations=['mmcvgssl.datasets.update_sampler'],
)
TRANSFORMS = Registry(
    'transform',
    parent=MMENGINE_TRANSFORMS,
    scope=SCOPE,
    locations=[
        'mmcvgssl.datasets.transforms',
        'mmcvgssl.maps.load_anomaly_map',
        'mmcvgssl.maps.map_crop',
    ],
)
FUNCTIONS = Registry(
    'function',
    parent=MMENGINE_FUNCTIONS,
    scope=SCOPE,
    locations=['mmcvgssl.datasets.canvas_collate'],
)
HOOKS = Registry(
    'hook',
    parent=MMENGINE_HOOKS,
    scope=SCOPE,
    locations=[
        'mmcvgssl.engine',
        'mmcvgssl.visualization.visualization_hook',
    ],
)
OPTIM_WRAPPERS = Registry(
    'optim wrapper',
    parent=MMENGINE_OPTIM_WRAPPERS,
    scope=SCOPE,
    locations=['mmcvgssl.engine'],
)
LOOPS = Registry(
    'loop', parent=MMENGINE_LOOPS, scope=SCOPE, locations=['mmcvgssl.engine']
)
METRICS = Registry(
    'metric',
    parent=MMENGINE_METRICS,
    scope=SCOPE,
    locations=['mmcvgssl.evaluation'],
)
EVALUATOR = Registry(
    'evaluator',
    parent=MMENGINE_EVALUATOR,
    scope=SCOPE,
    locations=['mmcvgssl.evaluation'],
)

VISUALIZERS = Registry(
    'visualizer',
    parent=MMENGINE_VISUALIZERS,
    scope=SCOPE,
    locations=[
        'mmcvgssl.visualization.anomaly_visualizer',
        'mmcvgssl.visualization.views_visualizer',
    ],
)


def class_of(kind: Any, registry: Registry, scope: Any, key_path: str) -> Any:
    """Return the class that a config has as the type of a part.

    Args:
        kind: The type: a registered name, or the class itself.
        registry: Registry of the hosts, where names are looked up.
        scope: The config's ``default_scope``.
        key_path: Dotted keys of the part in the config.

    Raises:
        ValueError: If nothing is registered by this name.
    """
    if not isinstance(kind, str):
        return kind
    with registry.switch_scope_and_registry(scope) as names:
        found = names.get(kind)
    if found is None:
        raise ValueError(
            f'{key_path} has the type {kind!r}, and no {registry.name} of '
            'this name is registered: correct it, or import its module by '
            'custom_imports'
        )
    return found
