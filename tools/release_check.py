"""Build the package, install it in a clean environment, and use it there.

Builds the source archive and the wheel (`python -m build`), looks at what is
in them, installs the wheel into a new environment that sees the packages of
this one and nothing of the repository, and there shows the help, fits a model
to images that are made here, and predicts others. Needs no network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IN_ARCHIVE = ('LICENSE', 'README.md', 'CHANGELOG.md', 'requirements.txt')
UNWANTED = ('tests/', 'docs/', '.venv', '__pycache__')


class ReleaseError(Exception):
    """What would be released is not as it has to be."""


def build(out: Path) -> tuple[Path, Path]:
    """Build the archive of sources and the wheel; return their paths."""
    command = [sys.executable, '-m', 'build', '--no-isolation']
    subprocess.run([*command, '--outdir', str(out), str(ROOT)], check=True)
    (archive,), (wheel,) = out.glob('*.tar.gz'), out.glob('*.whl')
    return archive, wheel


def needed_files() -> list[str]:
    """Return what the wheel must have, by the names that it has there.

    A build leaves out a file that is no module, and that nothing names,
    without a word.
    """
    package = ROOT / 'mmcvgssl'
    found = [
        path.relative_to(ROOT).as_posix()
        for path in package.rglob('*')
        if path.is_file() and '.mim' not in path.parts
    ]
    for name in ('configs', 'tools'):
        found += [
            f'mmcvgssl/.mim/{path.relative_to(ROOT).as_posix()}'
            for path in (ROOT / name).rglob('*')
            if path.is_file()
        ]
    found.append('mmcvgssl/.mim/model-index.yml')
    return [name for name in found if '__pycache__' not in name]


def check_contents(archive: Path | None, wheel: Path) -> None:
    """Look for files that must be, or must not be, in what was built.

    Raises:
        ReleaseError: If there are such, with their names.
    """
    names = zipfile.ZipFile(wheel).namelist()
    _compare(wheel, names, needed_files())
    if not any('/licenses/LICENSE' in name for name in names):
        raise ReleaseError(f'{wheel.name}: expected LICENSE in its metadata')
    if archive is not None:
        with tarfile.open(archive) as opened:
            names = [name.partition('/')[2] for name in opened.getnames()]
        _compare(archive, names, IN_ARCHIVE)


def _compare(file: Path, names: list[str], needed: Iterable[str]) -> None:
    lacking = [name for name in needed if name not in names]
    if lacking:
        raise ReleaseError(f'{file.name}: expected {", ".join(lacking)} in it')
    odd = [name for name in names if name.startswith(UNWANTED)]
    if odd:
        raise ReleaseError(f'{file.name}: expected no {odd[0]} in it')


def make_environment(home: Path, wheel: Path) -> Path:
    """Install a wheel where only the packages of this environment are.

    Args:
        home: New folder of the environment.
        wheel: The wheel.

    Returns:
        The interpreter of the environment.
    """
    venv.create(home, with_pip=False, symlinks=True)
    python = home / 'bin' / 'python'
    pip = [sys.executable, '-m', 'pip', '--python', str(python)]
    options = ['--no-deps', '--no-index', '--no-compile', '-q']
    subprocess.run(
        [*pip, '--disable-pip-version-check', 'install', *options, wheel],
        check=True,
    )
    # behind its own packages; .pth files in these folders are not read, so
    # that an editable installation is not seen
    folders = {sysconfig.get_path(name) for name in ('purelib', 'platlib')}
    (site,) = home.glob('lib/python*/site-packages')
    (site / 'others.pth').write_text('\n'.join(sorted(folders)) + '\n')
    return python


def run(home: Path, *command: str | Path) -> str:
    """Run a command in a folder; return what it prints.

    Raises:
        ReleaseError: If it fails.
    """
    words = list(map(str, command))
    env = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    done = subprocess.run(
        words, cwd=home, env=env, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise ReleaseError(f'{" ".join(words)} ended with {done.returncode}')
    return done.stdout


def write_images(home: Path) -> None:
    """Write 30 good images, and new ones: three good, three with a spot."""
    random = np.random.RandomState(0)
    for folder, count in (('good', 30), ('new', 6)):
        (home / folder).mkdir()
        for i in range(count):
            grey = random.normal(128, 6, (128, 128, 3))
            if folder == 'new' and i >= 3:
                grey[40:70, 50:80] += 90
            image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
            image.save(home / folder / f'{i:02d}.png')


def show_help(python: Path, home: Path) -> None:
    """Show the help of the installed command.

    Raises:
        ReleaseError: If it fails, or another installation has run.
    """
    told = run(home, python, '-c', 'import mmcvgssl; print(mmcvgssl.__file__)')
    if python.parents[1] not in Path(told.strip()).parents:
        raise ReleaseError(f'expected the wheel to be imported, got {told}')
    if 'predict' not in run(home, python.with_name('mmcvgssl'), '--help'):
        raise ReleaseError('expected the verb predict in the help')


def fit_and_predict(python: Path, home: Path) -> None:
    """Fit a model to images that are made here, and predict others.

    Raises:
        ReleaseError: If a command fails, or defects are not found.
    """
    command = python.with_name('mmcvgssl')
    write_images(home)
    fit = ('fit', 'patchcore_lite0_folder', '--images', 'good')
    run(home, command, *fit, '--out', 'model.safetensors')
    predict = ('predict', 'model.safetensors', 'new', '--out', 'found')
    run(home, command, *predict)
    rows = json.loads((home / 'found/predictions.json').read_text())['images']
    scores = [row['score'] for row in rows]
    if len(scores) != 6 or max(scores[:3]) >= min(scores[3:]):
        raise ReleaseError(f'expected the last three highest, got {scores}')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--out', type=Path, default=ROOT / 'dist', help='of what is built'
    )
    return parser.parse_args()


def main() -> None:
    """Build, install, use."""
    out = parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        try:
            built = build(home / 'built')
            check_contents(*built)
            python = make_environment(home / 'env', built[1])
            show_help(python, home)
            fit_and_predict(python, home)
        except (ReleaseError, subprocess.CalledProcessError) as error:
            raise SystemExit(f'ERROR: {error}') from error
        out.mkdir(exist_ok=True)
        for file in built:
            file.replace(out / file.name)
            print(out / file.name)


if __name__ == '__main__':
    main()
