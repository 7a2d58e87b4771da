"""Settings that would reach nothing: of config files and of options."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mmcvgssl.compat.config_references import entries, find_references
from mmcvgssl.runner.options import waits_for_stage

_SAME = 0.88  # similarity from which a name counts as mistyped
_SHOWN = 6


class Setting(NamedTuple):
    """What a config file sets at its top.

    Attributes:
        file: Where.
        line: Line of the file, from 1.
        name: Name of the setting.
        used: Whether the file, or one over it, uses the value in Python.
        taken: Whether a base refers to it, if a file over that sets the keys
            in question otherwise.
    """

    file: Path
    line: int
    name: str
    used: bool
    taken: bool


def check_file_settings(
    settings: Sequence[Setting],
    config: Mapping[str, Any],
    read: Collection[str],
) -> None:
    """Refuse what a file, or a base beside it, sets at its top in vain.

    A setting counts where a reference names it (see
    :mod:`mmcvgssl.compat.config_references`), where its own file uses it or a
    file over it does, as ``_base_.NAME``.

    Args:
        settings: Settings of the file and its bases.
        config: The config with its bases, with references.
        read: Names at the top that the runner or a tool reads.

    Raises:
        ValueError: Names the setting, and keys that the user may mean.
    """
    targets = {name.split('.')[0] for _, name in find_references(config)}
    for file, line, name, used, taken in settings:
        value = config.get(name)
        if used or taken or name in {*targets, *read} or not _is_plain(value):
            continue
        found = dict(_nested(config, name, {*read, *targets}))
        near = difflib.get_close_matches(name, targets, 1, _SAME)
        if value in found.values() or not (found or near):
            continue
        fix = f'set {_some(found)}' if found else f'did you mean {near[0]}?'
        raise ValueError(
            f'{file}:{line}: {name}={value!r} reaches no part of the config, '
            f'which takes no setting of this name: {fix}'
        )


def check_setting_keys(
    config: Mapping[str, Any], read: Collection[str]
) -> None:
    """Refuse keys of settings of which references take other keys alone.

    Args:
        config: With its options, references in it.
        read: Names at the top that the runner or a tool reads.

    Raises:
        ValueError: Names the key, and those that are taken.
    """
    targets = {name for _, name in find_references(config)}
    for root in {name.split('.')[0] for name in targets} - targets - {*read}:
        known = sorted(
            name.split('.')[1]
            for name in targets
            if name.startswith(f'{root}.')
        )
        own = config.get(root)
        for key, value in own.items() if isinstance(own, Mapping) else ():
            # one of its name at the top may have taken its place
            if key not in known and key not in config:
                raise ValueError(
                    f'{root}.{key}={value!r} reaches no part of the '
                    f'config, which takes {", ".join(known)} of {root}'
                )


def check_option_reach(
    options: Mapping[str, Any],
    settings: Sequence[Setting],
    config: Mapping[str, Any],
    values: Mapping[str, Any],
    read: Collection[str],
) -> None:
    """Refuse options of which nothing, or not all, is read.

    Args:
        options: Options by dotted key, with checked names.
        settings: Settings of the file and its bases.
        config: Config that options are merged into, with references.
        values: The config without references.
        read: Names at the top that the runner or a tool reads.

    Raises:
        KeyError: If nothing reads an option; names keys that the user may
            mean.
        ValueError: If the file has copied the old value to keys of its name,
            which would go on holding it.
    """
    copied = {setting.name for setting in settings if setting.used}
    own_names = {setting.name for setting in settings}
    references = list(find_references(config))
    targets = {name for _, name in references}
    known = targets.union(path for path, _ in references)
    roots = {*read, *(name.split('.')[0] for name in targets)}
    for key, new in options.items():
        name = key.rpartition('.')[2]
        if key.split('.')[0] in read or waits_for_stage(key, config):
            continue
        if not any(_overlap(key, other) for other in known):
            found = dict(_nested(values, name, roots))
            found.pop(key, None)
            if found:
                raise KeyError(
                    f'{key}={new!r} reaches no part of the config, which '
                    f'takes no setting of this name: set {_some(found)}'
                )
            root = key.split('.')[0]
            if settings and (root in copied or root not in own_names):
                raise KeyError(
                    f'{key}={new!r} reaches no part of the config: {root} is '
                    'used while its file is read, and not after; set the keys '
                    'that it went to'
                )
            continue
        old: Any = values
        for part in key.split('.'):
            old = dict(entries(old)).get(part)
        own = {
            path: value
            for path, value in _nested(config, name, roots)
            if key in copied
            and type(value) is type(old)
            and value == old != new
            and not any(_overlap(path, other) for other in options)
        }
        if own:
            raise ValueError(
                f'{key}={new!r} would not reach {_some(own)}, to which the '
                f'file has copied the old value: leave that out or write '
                f"'${{{key}}}' there, or give it as an option, too"
            )


def keys_of_name(
    name: str, config: Mapping[str, Any], read: Collection[str]
) -> str:
    """List the keys of a name that the runner or a tool reads; '' for none.

    Args:
        name: Of a setting that the config does not have at its top.
        config: Values below the top.
        read: Names at the top that the runner or a tool reads.
    """
    return _some(dict(_nested(config, name, read)))


def read_settings(path: Path) -> list[Setting]:
    """Find what a config file and its bases set at their tops.

    Bases in other packages are passed over, and so are whole configs such as
    runs write.

    Args:
        path: The file.
    """
    files = list(_parse(path, frozenset(), frozenset()))
    referred = {name for file in files for name in file.referred}
    return [
        Setting(
            file.path,
            line,
            name,
            used=name in file.used,
            taken=file is not files[0] and name in referred,
        )
        for file in files
        for name, line in file.lines.items()
    ]


class _File(NamedTuple):
    """A config file: names set, by line, used and referred to in texts."""

    path: Path
    lines: dict[str, int]
    used: set[str]
    referred: set[str]


def _parse(
    path: Path, above: frozenset[str], over: frozenset[Path]
) -> Iterator[_File]:
    """Parse a file and its bases.

    Args:
        path: The file.
        above: Names that files over it use.
        over: These files.
    """
    if path in over or not path.is_file():
        return
    if path.suffix != '.py':
        yield from _parse_data(path, above, over)
        return
    tree = ast.parse(path.read_text('utf-8'))
    file, of_bases = _File(path, {}, set(above), set()), set(above)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            file.used.add(node.id)
        elif isinstance(node, ast.Constant):
            found = find_references(node.value)
            file.referred.update(name.split('.')[0] for _, name in found)
        elif (
            isinstance(node, ast.Attribute)
            and getattr(node.value, 'id', '') == '_base_'
        ):
            of_bases.add(node.attr)
    bases: list[Any] = []
    for step in tree.body:
        for target in step.targets if isinstance(step, ast.Assign) else ():
            if isinstance(target, ast.Name) and target.id != '_base_':
                file.lines[target.id] = step.lineno
            elif isinstance(target, ast.Name):
                bases = [getattr(n, 'value', None) for n in ast.walk(step)]
    names = [base for base in bases if isinstance(base, str)]
    if not (names or over):
        return
    yield file
    for name in names:
        if '::' not in name:
            base = path.parent / name
            yield from _parse(base, frozenset(of_bases), over | {path})


def _parse_data(
    path: Path, above: frozenset[str], over: frozenset[Path]
) -> Iterator[_File]:
    """Parse a file in YAML or JSON, and its bases, as :func:`_parse`."""
    text = path.read_text('utf-8')
    values, root = yaml.safe_load(text), yaml.compose(text)
    bases = values.get('_base_') if isinstance(values, dict) else None
    names = [bases] if isinstance(bases, str) else bases or []
    if not (names or over) or not isinstance(root, yaml.MappingNode):
        return
    lines = {key.value: key.start_mark.line + 1 for key, _ in root.value}
    lines.pop('_base_', None)
    referred = {name.split('.')[0] for _, name in find_references(values)}
    yield _File(path, lines, set(above), referred)
    for name in names:
        if '::' not in str(name):
            yield from _parse(path.parent / str(name), above, over | {path})


def _nested(
    config: Mapping[str, Any], name: str, roots: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """Find plain values of a name below the top, by their dotted keys."""
    for root in config:
        if root in roots:
            yield from _below(config[root], name, root)


def _below(node: Any, name: str, above: str) -> Iterator[tuple[str, Any]]:
    for key, value in entries(node):
        path = f'{above}.{key}'
        if key == name and _is_plain(value):
            yield path, value
        yield from _below(value, name, path)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, (str, int, float))


def _overlap(one: str, other: str) -> bool:
    return f'{one}.'.startswith(f'{other}.') or f'{other}.'.startswith(
        f'{one}.'
    )


def _some(found: Mapping[str, Any]) -> str:
    shown = [f'{keys} ({value!r})' for keys, value in found.items()]
    more = ', ...' if len(shown) > _SHOWN else ''
    return ', '.join(shown[:_SHOWN]) + more
