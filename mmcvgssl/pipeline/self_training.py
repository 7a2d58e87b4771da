"""Self-training of a pipeline: one stage of a config, as the stages it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcvgssl.datasets.preparation.folds import HELD_OUT, TRAIN

SELF_TRAINING = 'self_training'
FOLDS, ROUNDS = 3, 1
_LABELS = '{labels_train}'
_KEYS = {
    *('tool', 'config', 'folds', 'rounds', 'seed', 'arguments', 'options')
}


def expanded(
    stages: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Replace each stage of self-training by those that it consists of.

    Of ``selftrain`` over the training ``finetune``, these are
    ``selftrain_folds``, which divides the labels; ``selftrain_fold_1`` and
    on, ``finetune`` on all but a fold; ``selftrain_boxes``, boxes of
    ``finetune``, by thresholds of the folds, joined to the labels; and
    ``selftrain``, ``finetune`` once more from its start on these. Of further
    rounds, the boxes are those of the round before.

    Args:
        stages: Options of all stages by name, in order.

    Raises:
        ValueError: If a stage is malformed.
    """
    made: dict[str, dict[str, Any]] = {}
    for name, values in stages.items():
        if values.get('tool') != SELF_TRAINING:
            made[name] = dict(values)
            continue
        for own, stage in _parts(name, values, made).items():
            if own in stages and own != name:
                raise ValueError(
                    f'stage {name} has a part {own}, and so is another stage '
                    'called: give that one another name'
                )
            made[own] = stage
    return made


def _parts(
    name: str, values: Mapping[str, Any], before: Mapping[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    trained, folds, rounds = _checked(name, values, before)
    arguments = dict(values.get('arguments') or {})
    parts: dict[str, dict[str, Any]] = {}
    held_out = []
    if arguments.get('threshold') is None:
        division = f'{name}_folds'
        parts[division] = {
            'tool': 'folds',
            'arguments': {'folds': folds, 'seed': values.get('seed', 0)},
        }
        for number in range(1, folds + 1):
            own = f'{name}_fold_{number}'
            file = f'{{{division}}}/{TRAIN.format(number)}'
            parts[own] = {**_on(trained, file), 'like': values['config']}
            labels = f'{{{division}}}/{HELD_OUT.format(number)}'
            held_out.append([f'{{{own}}}', labels])
    teacher = values['config']
    for number in range(1, rounds + 1):
        boxes = f'{name}_boxes' if number == 1 else f'{name}_boxes_{number}'
        parts[boxes] = {
            'tool': 'self_train',
            'config': teacher,
            'arguments': arguments,
            'held_out': held_out,
        }
        own = name if number == rounds else f'{name}_round_{number}'
        parts[own] = {**_on(trained, f'{{{boxes}}}'), 'epoch': 'labels'}
        parts[own]['options'] |= values.get('options') or {}
        teacher = own
    return parts


def _checked(
    name: str, values: Mapping[str, Any], before: Mapping[str, dict[str, Any]]
) -> tuple[dict[str, Any], int, int]:
    """Return the training, and how many folds and rounds there are."""
    unknown = [key for key in values if key not in _KEYS]
    if unknown:
        raise ValueError(
            f'stage {name}: {SELF_TRAINING} takes {", ".join(sorted(_KEYS))}'
            f', got {", ".join(unknown)}'
        )
    trained = before.get(values.get('config', ''), {})
    texts = map(str, (trained.get('options') or {}).values())
    if trained.get('tool') != 'train' or not any(_LABELS in t for t in texts):
        raise ValueError(
            f'stage {name}: config of {SELF_TRAINING} is an earlier training '
            f'on {_LABELS}, such as finetune, got {values.get("config")!r}'
        )
    numbers = []
    for key, default, least in (('folds', FOLDS, 2), ('rounds', ROUNDS, 1)):
        value = values.get(key, default)
        text = str(value)
        if not text.isdecimal() or int(text) < least:
            raise ValueError(
                f'stage {name}: {key} is a whole number from {least} on, got '
                f'{value!r}'
            )
        numbers.append(int(text))
    return trained, numbers[0], numbers[1]


def _on(trained: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return a training on another file of labels."""
    options = {
        key: value.replace(_LABELS, file) if isinstance(value, str) else value
        for key, value in trained['options'].items()
    }
    return {**trained, 'options': options}
