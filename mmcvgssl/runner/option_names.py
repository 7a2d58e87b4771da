"""Names in options and sections of a config, compared with what is known."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mmengine import registry as registries
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import LogProcessor, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmcvgssl.evaluation.few_shot.learners import SCHEDULE
from mmcvgssl.runner.options import short, waits_for_stage

_NEAR = 0.8  # similarity from which a new name counts as mistyped
_SAME = 0.88  # the similarity for names at the top, where files may add names
_ALWAYS = frozenset({'type', '_delete_', '_scope_'})


def _parameters(call: Any) -> frozenset[str]:
    return frozenset(inspect.signature(call).parameters) - {'self'}


# parts of a config without a type, and the names they may have
_SECTIONS: dict[str, frozenset[str]] = {
    'env_cfg': frozenset(
        {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}
    ),
    'env_cfg.mp_cfg': frozenset({'mp_start_method', 'opencv_num_threads'}),
    'randomness': _parameters(Runner.set_randomness),
    'auto_scale_lr': frozenset({'enable', 'base_batch_size'}),
    'few_shot': frozenset(
        {'view_size', 'poolings', 'train', 'test', 'schedule'}
    ),
    'few_shot.schedule': frozenset(SCHEDULE),
    'optim_wrapper.clip_grad': frozenset(
        {'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach'}
        | {'clip_value'}
    ),
}
# further parts without a type
_LOADER = _parameters(DataLoader) | {'num_batch_per_epoch'}
_DEFAULTS: dict[str, frozenset[str]] = {
    'optim_wrapper': _parameters(OptimWrapper)
    | {'constructor', 'paramwise_cfg'},
    'log_processor': _parameters(LogProcessor),
}


def check_option_names(
    options: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    """Refuse options with names that nothing in the config would read.

    New names are taken where a class takes them, or where nothing is known
    of what may stand there and no known name is like them. Those of a
    pipeline's stages wait for the stage's config.

    Args:
        options: Options by dotted key.
        config: Config that options are merged into.

    Raises:
        KeyError: Names the option, and names that are like it.
    """
    for key in options:
        if waits_for_stage(key, config):
            continue
        others = [k for k in options if k != key]
        if not any(key.startswith(f'{other}.') for other in others):
            _check_option(key, options, config)


def check_sections(config: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse names of a config file that nothing would read.

    Args:
        config: Config as read from the file.
        known: Names that may stand at its top, and are read.

    Raises:
        KeyError: Names one, and the name that is like it.
    """
    for name, value in config.items():
        near = difflib.get_close_matches(name, known, 1, _SAME)
        if name not in known and isinstance(value, (Mapping, list)) and near:
            raise KeyError(
                f'{name}: nothing reads it; did you mean {near[0]}?'
            )
    for path, names in _SECTIONS.items():
        section: Any = config
        for part in path.split('.'):
            section = (
                section.get(part) if isinstance(section, Mapping) else None
            )
        for name in section if isinstance(section, Mapping) else ():
            if name not in names | _ALWAYS:
                raise _unknown(f'{path}.{name}', name, names)


def _check_option(
    key: str, options: Mapping[str, Any], config: Mapping[str, Any]
) -> None:
    node: Any = config
    names = key.split('.')
    for depth, name in enumerate(names):
        above = '.'.join(names[:depth])
        if isinstance(node, (list, tuple)):
            if not (name.isdecimal() and int(name) < len(node)):
                raise KeyError(
                    f'{key}: expected a number below {len(node)} after '
                    f'{above}, which is a list of as many, got {name!r}'
                )
            node = node[int(name)]
        elif not isinstance(node, Mapping):
            raise KeyError(
                f'{key}: {above} is {short(node)}, which holds nothing by a '
                f'name; set {above} itself'
            )
        elif name in node:
            node = node[name]
        else:
            if depth:
                _check_new(key, name, above, node, options, config)
            node = {}


def _check_new(
    key: str,
    name: str,
    above: str,
    node: Mapping[str, Any],
    options: Mapping[str, Any],
    config: Mapping[str, Any],
) -> None:
    # another type has other arguments
    kind = options.get(f'{above}.type', node.get('type'))
    known, all_known = _known(above, kind, config)
    if name in known | _ALWAYS:
        return
    if above == 'default_hooks':
        value = options[key]
        whole = isinstance(value, Mapping) and 'type' in value
        if not whole and f'{above}.{name}.type' not in options:
            raise _unknown(key, name, {*node})
        return
    known |= {*node}
    near = difflib.get_close_matches(name, known, 1, _NEAR)
    if all_known or near or not name:
        raise _unknown(key, name, known)


def _known(
    above: str, kind: Any, config: Mapping[str, Any]
) -> tuple[frozenset[str], bool]:
    """Return what may stand in a part, and whether that is all."""
    if above in _SECTIONS:
        return _SECTIONS[above], True
    if kind is not None:
        found = list(_kinds(kind, str(config.get('default_scope') or '')))
        names: frozenset[str] = frozenset()
        whole = bool(found)
        for section in found:
            own, closed = _arguments(section)
            names, whole = names | own, whole and closed
        return names | _DEFAULTS.get(above, frozenset()), whole
    if above in _DEFAULTS:
        return _DEFAULTS[above], True
    if above.rpartition('.')[2].endswith('_dataloader'):
        return _LOADER, True
    return frozenset(), False


def _kinds(kind: Any, scope: str) -> Iterator[Any]:
    """Find the classes and functions of a name in all registries."""
    if not isinstance(kind, str):
        yield kind
        return
    for table in vars(registries).values():
        if not isinstance(table, Registry):
            continue
        for name in (kind, f'{scope}.{kind}') if scope else (kind,):
            try:
                found = table.get(name)
            except (AttributeError, ImportError, KeyError):
                continue  # the builder reports what is wrong
            if found is not None:
                yield found
                break


def _arguments(kind: Any) -> tuple[frozenset[str], bool]:
    """Return the arguments of a class or function, and if there are no more.

    What a class hands on to its bases by ``**kwargs`` counts; but it may
    hand them to anything else.
    """
    names: set[str] = set()
    closed = True
    for part in inspect.getmro(kind) if inspect.isclass(kind) else [kind]:
        call = part.__dict__.get('__init__') if inspect.isclass(kind) else part
        if part is nn.Module or part is object or call is None:
            continue
        try:
            section = inspect.signature(call).parameters.values()
        except (TypeError, ValueError):
            return frozenset(names), False
        names |= {p.name for p in section if p.kind is not p.VAR_KEYWORD}
        names.discard('self')
        if not any(p.kind is p.VAR_KEYWORD for p in section):
            return frozenset(names), closed
        closed = False
    return frozenset(names), closed


def _unknown(key: str, name: str, known: Collection[str]) -> KeyError:
    near = difflib.get_close_matches(name, sorted(known), 3)
    hint = (
        f'did you mean {" or ".join(near)}?'
        if near
        else f'known are {_listed(sorted(known))}'
    )
    return KeyError(f'{key}: nothing reads {name!r} there; {hint}')


def _listed(names: Sequence[str]) -> str:
    more = ', ...' if len(names) > 12 else ''
    return ', '.join(names[:12]) + more
