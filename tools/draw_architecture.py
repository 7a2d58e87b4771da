"""Draw docs/architecture.svg, and write the tables of docs/architecture.md.

Reads the imports of all modules, and refuses one that does not point to a
lower floor; the ways of an image are those of docs/architecture.yml. With
`--check` it writes nothing, and fails if picture or page are out of date.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'architecture.md'
PICTURE = PAGE.with_suffix('.svg')
PACKAGE = 'mmcvgssl'
MARKS = '<!-- drawn by tools/draw_architecture.py -->', '<!-- end -->'
# from the top to the ground: an import points to a lower floor
FLOORS = (
    ('__main__',),
    ('cli',),
    ('pipeline', 'reports', 'serving'),
    ('apis',),
    ('export',),
    ('visualization',),
    ('runner',),
    ('engine',),
    ('model_file',),
    ('models',),
    ('evaluation', 'selection'),
    ('maps',),
    ('datasets', 'predictions'),
    ('provenance', 'weights'),
    ('env', 'locks', 'terminal_log', 'user_errors'),
    ('compat', 'interrupts', 'precision', 'processes', 'progress'),
    ('lazy', 'randomness', 'registry', 'shipped', 'utils', 'version'),
)
GROUND = {name for floor in FLOORS[-3:] for name in floor}
WIDTH = 1190
COLOURS = '#1b6ca8', '#b3541e', '#2f7d32'
# the ways of one image, step by step: file, what is in it, what it does
WALKS = yaml.safe_load(PAGE.with_suffix('.yml').read_text('utf-8'))


class LayoutError(Exception):
    """The code is not as the page says."""


def parts() -> dict[str, list[Path]]:
    """Return the files of each package, and of each module beside them."""
    home = ROOT / PACKAGE
    found = {
        path.stem: [path]
        for path in sorted(home.glob('*.py'))
        if path.stem != '__init__'
    }
    for init in sorted(home.glob('*/__init__.py')):
        found[init.parent.name] = sorted(init.parent.rglob('*.py'))
    return found


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Find what a module imports of this package, wherever it does so."""
    inside = path.relative_to(ROOT).with_suffix('').parts
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = '.'.join(inside[: -node.level]) if node.level else ''
            base = '.'.join(filter(None, (start, node.module)))
            names = [f'{base}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith(f'{PACKAGE}.'):
                yield name.split('.')[1], node.lineno


def read_imports() -> dict[str, set[str]]:
    """Return the parts that each part imports.

    Raises:
        LayoutError: If a part is on no floor, or an import points elsewhere
            than down.
    """
    files = parts()
    height = {
        name: -level for level, names in enumerate(FLOORS) for name in names
    }
    strangers = files.keys() ^ height.keys()
    if strangers:
        raise LayoutError(
            f'FLOORS and {PACKAGE}/ differ in {", ".join(sorted(strangers))}'
        )
    edges: dict[str, set[str]] = {}
    for name, paths in files.items():
        edges[name] = set()
        for path in paths:
            for other, line in imported(path):
                if other == name or other not in files:
                    continue
                if height[other] >= height[name]:
                    raise LayoutError(
                        f'{path.relative_to(ROOT)}:{line} imports {other}, '
                        f'which is on no lower floor than {name}: move what '
                        'both need to a floor below'
                    )
                edges[name].add(other)
    return edges


def direct(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out imports of what another import stands on."""

    def below(name: str) -> set[str]:
        return edges[name].union(*map(below, edges[name]))

    return {
        name: others - set().union(*map(below, others))
        for name, others in edges.items()
    }


def defined(path: Path) -> set[str]:
    """Return the names at the top of a Python file, and of its bases."""
    names = {'model'} if '_base_' in path.parts else set()
    for node in ast.parse(path.read_text('utf-8')).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
    return names


def is_package(name: str) -> bool:
    """Whether a part is a folder of modules."""
    return (ROOT / PACKAGE / name).is_dir()


def doc(name: str) -> str:
    """Return the docstring of a part."""
    end = '/__init__.py' if is_package(name) else '.py'
    path = ROOT / PACKAGE / f'{name}{end}'
    return ast.get_docstring(ast.parse(path.read_text('utf-8'))) or ''


def check_docs(edges: Mapping[str, set[str]]) -> None:
    """Compare what packages say that they stand on with their imports.

    Raises:
        LayoutError: If a package says something else.
    """
    for name in filter(is_package, edges):
        below = sorted(filter(is_package, edges[name]))
        names = ', '.join(f'``{other}``' for other in below)
        sentence = f'Stands on {names or "no other package"}.'
        if sentence not in ' '.join(doc(name).split()):
            raise LayoutError(
                f'expected in the docstring of {PACKAGE}.{name}: {sentence}'
            )


def draw(edges: Mapping[str, set[str]]) -> str:
    """Draw floors, direct imports and the ways of an image, as SVG.

    A floor is a row; the ways run to the right, from file to file.
    """
    rows = ['tools', 'configs', *(' '.join(names) for names in FLOORS)]
    row_of = {name: row for row in rows for name in row.split()}
    steps = {
        way: [(step, row_of[_part(step[0])]) for step in walk]
        for way, walk in WALKS.items()
    }
    tops, y = {}, 50
    for row in rows:
        most = max(sum(at == row for _, at in walk) for walk in steps.values())
        tops[row] = y
        y += 14 + 24 * max(most, 1)
    middles = {
        row: (top + end) / 2
        for row, top, end in zip(
            rows, tops.values(), [*list(tops.values())[1:], y], strict=True
        )
    }
    out = []
    for row, top in tops.items():
        out.append(f'<path d="M10 {top}H{WIDTH - 10}" stroke="#ddd"/>')
        names = row.replace(' ', ', ')
        names = f'{names}/' if row in ('tools', 'configs') else names
        size = 15 if len(names) < 24 else 10
        out.append(
            f'<text x="16" y="{middles[row] + 5:g}" font-size="{size}" '
            f'font-weight="bold">{names}</text>'
        )
    for name, others in direct(edges).items():
        for other in sorted(others):
            start, end = middles[row_of[name]], middles[row_of[other]]
            if GROUND & {name, other}:
                continue
            bulge = 225 + min((end - start) / 4, 75)
            out.append(
                f'<path d="M220 {start:g}C{bulge:g} {start:g} {bulge:g} '
                f'{end:g} 224 {end:g}" fill="none" stroke="#aaa" '
                'marker-end="url(#to)"/>'
            )
    for lane, (way, walk) in enumerate(steps.items()):
        left, colour = 320 + 290 * lane, COLOURS[lane]
        used: dict[str, int] = {}
        points = []
        for number, (_, row) in enumerate(walk):
            used[row] = used.get(row, 0) + 1
            points.append((left + 14 * number, tops[row] - 4 + 24 * used[row]))
        line = ' '.join(f'{x},{y}' for x, y in points)
        out.append(
            f'<text x="{left - 8}" y="32" font-size="17" font-weight="bold" '
            f'fill="{colour}">{way}</text>'
            f'<polyline points="{line}" fill="none" stroke="{colour}" '
            'stroke-opacity=".35" stroke-width="3"/>'
        )
        for number, ((x, y_), (step, _)) in enumerate(
            zip(points, walk, strict=True), 1
        ):
            out.append(
                f'<circle cx="{x}" cy="{y_}" r="9" fill="{colour}"/>'
                f'<text x="{x}" y="{y_ + 4}" font-size="11" fill="white" '
                f'text-anchor="middle">{number}</text>'
                f'<text x="{x + 13}" y="{y_ + 5}" font-size="13">'
                f'{Path(step[0]).name}</text>'
            )
    body = '\n'.join(out)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
        'font-family="sans-serif">\n'
        '<defs><marker id="to" markerWidth="7" markerHeight="7" refX="6" '
        'refY="3" orient="auto"><path d="M0 0L6 3L0 6z" fill="#aaa"/>'
        '</marker></defs>\n'
        f'<rect width="{WIDTH}" height="{y}" fill="white"/>\n{body}\n</svg>\n'
    )


def tables(edges: Mapping[str, set[str]]) -> str:
    """Write what lives where, and the ways of an image, as Markdown.

    Raises:
        LayoutError: If a file of a way, or what is in it, is not there.
    """
    check_docs(edges)
    lines = ['| floor | what lives there | imports |', '|---|---|---|']
    for name in (name for names in FLOORS for name in names):
        end = '' if is_package(name) else '.py'
        first = doc(name).splitlines()[0]
        below = ', '.join(sorted(edges[name])) or 'none of these'
        lines.append(
            f'| [`{name}`](../{PACKAGE}/{name}{end}) | {first} | {below} |'
        )
    for way, walk in WALKS.items():
        lines += ['', f'**{way}**', '']
        for number, (file, name, what) in enumerate(walk, 1):
            path = ROOT / file
            if not path.is_file() or name not in defined(path):
                raise LayoutError(f'{way}: there is no {name} in {file}')
            lines.append(f'{number}. [`{file}`](../{file}) `{name}`: {what}')
    return '\n'.join(lines)


def _part(file: str) -> str:
    first, second, *_ = Path(file).with_suffix('').parts
    return second if first == PACKAGE else first


def main() -> int:
    """Draw, or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing')
    args = parser.parse_args()
    try:
        edges = read_imports()
        page = PAGE.read_text('utf-8')
        before, _, rest = page.partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        text = '\n\n'.join((MARKS[0], tables(edges), MARKS[1]))
        drawn = {PAGE: before + text + after, PICTURE: draw(edges)}
    except LayoutError as error:
        print(f'ERROR: {error}', file=sys.stderr)
        return 1
    for path, content in drawn.items():
        if not args.check:
            path.write_text(content, 'utf-8')
        elif not path.is_file() or path.read_text('utf-8') != content:
            print(
                f'ERROR: {path.relative_to(ROOT)} is out of date: run '
                'tools/draw_architecture.py',
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
