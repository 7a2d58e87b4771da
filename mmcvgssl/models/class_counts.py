"""Classes of data sets and of detectors, which must agree."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from torch import nn

# parts of a detector whose num_classes counts something else
_OWN_COUNT = (
    *('backbone', 'rpn_head', 'semantic_head', 'teacher'),
    *('init_cfg', 'data_preprocessor'),
)
_KEY = 'num_classes'
# of detectors that find what words describe; num_classes counts tokens there
_WORDS = 'language_model'


def class_counts(
    node: Any, path: str = 'model'
) -> Iterator[tuple[str, MutableMapping[str, Any]]]:
    """Find every ``num_classes`` of a detector's config.

    Args:
        node: Config of the model, or a part of it.
        path: Dotted keys that lead to it.

    Yields:
        The dotted keys of the count, and the mapping that has it.
    """
    if isinstance(node, MutableMapping):
        if _KEY in node:
            yield f'{path}.{_KEY}', node
        for key, value in node.items():
            if key not in _OWN_COUNT:
                yield from class_counts(value, f'{path}.{key}')
    elif isinstance(node, (list, tuple)):
        for index, item in enumerate(node):
            yield from class_counts(item, f'{path}.{index}')


def check_class_counts(model: Any, classes: Sequence[str], where: str) -> None:
    """Compare every ``num_classes`` of a config with a list of classes.

    Args:
        model: Config of the detector.
        classes: Names of the data set's classes.
        where: The key that lists them.

    Raises:
        ValueError: Names the keys that do not agree, and both values.
    """
    if isinstance(model, MutableMapping) and _WORDS in model:
        return
    wrong = {
        path: node[_KEY]
        for path, node in class_counts(model)
        if node[_KEY] != len(classes)
    }
    if not wrong:
        return
    wrong_counts = ' and '.join(
        f'{path}={value!r}' for path, value in wrong.items()
    )
    fix = ' '.join(f'{path}={len(classes)}' for path in wrong)
    raise ValueError(
        f'{where} lists {len(classes)} classes ({_some(classes)}), but '
        f'{wrong_counts}: they must agree; set --cfg-options {fix}, or '
        'correct the list'
    )


def check_heads(model: nn.Module, classes: Sequence[str], where: str) -> None:
    """Compare the heads of a built detector with a list of classes.

    A config may leave ``num_classes`` to a head's default.

    Args:
        model: The detector.
        classes: Names of the data set's classes.
        where: The key that lists them.

    Raises:
        ValueError: Names the head, and both numbers.
    """
    if hasattr(model, _WORDS):
        return
    for name, module in model.named_modules():
        count = getattr(module, _KEY, None)
        own = any(part in _OWN_COUNT for part in name.split('.'))
        if own or not isinstance(count, int) or not name:
            continue
        if count != len(classes):
            raise ValueError(
                f'{where} lists {len(classes)} classes ({_some(classes)}), '
                f'but {type(module).__name__} at {name} of the model has '
                f'num_classes={count}: they must agree; set '
                f'model.{name}.num_classes={len(classes)} in the config'
            )


def _some(names: Sequence[str]) -> str:
    return ', '.join(names[:10]) + (', ...' if len(names) > 10 else '')
