"""Measure how fast this package is here beside plain ways, and the limits.

    python tools/benchmarks/run_all.py --only kead cutpaste

Runs the benchmarks one after another and prints a table of what they found,
beside what was found before on a machine of the same kind and what is wanted.
`ratios.json` keeps each figure as soon as it is there, and the command goes on
where it was stopped. `--store` keeps the file for others, in
`tools/benchmarks/ratios`.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from turns import device

from mmcvgssl.env import versions
from mmcvgssl.user_errors import user_errors
from mmcvgssl.utils import atomic_write, available_cores, read_json

HERE = Path(__file__).parent
STORED = HERE / 'ratios'
GPU = device() == 'cuda'


class Wanted(NamedTuple):
    """The least of a figure on two cores and on a GPU; None: nothing."""

    cpu: float | None = None
    gpu: float | None = None


class Entry(NamedTuple):
    """A benchmark: its command, and what is wanted of its figures."""

    command: str
    wanted: dict[str, Wanted]


def _recipe(name: str) -> str:
    return f'pretrain.py --against hosts --config {name}'


RECIPE = {'times hosts': Wanted(3, 6), 'GPU busy, %': Wanted()}
ENTRIES = {
    'limits': Entry('limits.py', {}),
    'cvgssl': Entry(
        'pretrain.py',
        {'times plain': Wanted(4.5, 8), 'GPU busy, %': Wanted(None, 85)},
    ),
    'recommended-lite0': Entry(
        _recipe('cvgssl-regress_lite0_lite0_1xb32-3e_folder')
        + ' --batch-size 32 --view-size 224',
        RECIPE,
    ),
    'recommended-resnet18': Entry(
        _recipe('cvgssl-regress_resnet18_lite0_1xb64-400e_folder'), RECIPE
    ),
    'kead': Entry(
        'anomaly_maps.py kead',
        {
            'ours, times plain': Wanted(4, 5),
            'ours, bfloat16, % of bfloat16 matrix rate': Wanted(None, 40),
        },
    ),
    'musc': Entry(
        'anomaly_maps.py musc', {'ours, times plain': Wanted(5, 10)}
    ),
    'patchcore': Entry('patchcore.py', {'times anomalib': Wanted(3, 3)}),
    'cutpaste': Entry('cutpaste.py', {'times plain': Wanted(3, 5)}),
    'yolov8-n': Entry('mmyolo_training.py', {'times mmyolo': Wanted(1.3, 2)}),
    'predict-1': Entry('predict.py --batch-size 1', {}),
    'predict-32': Entry('predict.py --batch-size 32', {}),
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--only', nargs='+', choices=ENTRIES, metavar='NAME', help='of these'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/benchmarks/ratios.json')
    )
    parser.add_argument(
        '--store', action='store_true', help='keep what is found for others'
    )
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """Return the kind of this machine."""
    file = Path('/proc/cpuinfo')
    lines = file.read_text() if file.is_file() else ''
    named = re.search(r'^model name\s*: (.+)$', lines, re.M)
    return {
        'cpu': named[1].strip() if named else platform.processor(),
        'cores': available_cores(),
        'threads': torch.get_num_threads(),
        'gpu': torch.cuda.get_device_name() if GPU else None,
    }


def stored() -> tuple[Path, dict[str, Any]]:
    """Return the file of this kind of machine, and the results in it."""
    kind = machine()
    words = f'{kind["cpu"]} {kind["cores"]} cores {kind["threads"]} threads '
    words += kind['gpu'] or ''
    name = '-'.join(re.findall(r'[a-z0-9]+', words.lower()))
    path = STORED / f'{name}.json'
    return path, read_json(path)['found'] if path.is_file() else {}


def opened(path: Path) -> dict[str, Any]:
    """Return the record of a file, or a new one.

    Raises:
        ValueError: If it is of another machine or of other versions.
    """
    own = {'machine': machine(), 'versions': versions()}
    if not path.is_file():
        return {**own, 'found': {}}
    record = read_json(path)
    for key, here in own.items():
        if record.get(key) != here:
            raise ValueError(
                f'{path} was measured with other {key}: expected {here}, got '
                f'{record.get(key)}; move it away, or name another --out'
            )
    return record


def measured(command: str) -> dict[str, Any]:
    """Run a benchmark; return its values and how long it took.

    Raises:
        SystemExit: If it fails.
    """
    script, *options = command.split()
    start = time.monotonic()
    words = [sys.executable, str(HERE / script), *options]
    last = ''
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        for last in process.stdout or ():
            print(f'  {last}', end='', flush=True)
    if process.returncode:
        raise SystemExit(f'{command} failed')
    seconds = round(time.monotonic() - start)
    return {'command': command, 'seconds': seconds, 'values': json.loads(last)}


def table(found: dict[str, Any], before: dict[str, Any]) -> str:
    """Return values, the stored ones and the wanted ones as Markdown."""
    lines = ['| | | here | stored | wanted |', '|---' * 5 + '|']
    for name, each in found.items():
        known = before.get(name, {}).get('values', {})
        for key, value in each['values'].items():
            wanted = ENTRIES[name].wanted.get(key, Wanted())[GPU]
            cells = [
                '–' if number is None else f'{number:.3g}'
                for number in (value, known.get(key), wanted)
            ]
            lines.append(f'| {name} | {key} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def main() -> None:
    """Run what is not there yet."""
    args = parse_args()
    with user_errors():
        record = opened(args.out)
        home, before = stored()
        found = record['found']
        for name in args.only or ENTRIES:
            command = ENTRIES[name].command
            if found.get(name, {}).get('command') == command:
                print(f'{name}: measured before, in {args.out}')
                continue
            print(f'{name}: {command}', flush=True)
            found[name] = measured(command)
            atomic_write(args.out, json.dumps(record, indent=1).encode())
        shown = {name: found[name] for name in ENTRIES if name in found}
        if not before:
            print(f'nothing is stored of a machine like this: no {home.name}')
        print(table(shown, before))
        if args.store:
            record['found'] = {**before, **found}
            atomic_write(home, json.dumps(record, indent=1).encode())
            print(f'stored as {home}')


if __name__ == '__main__':
    main()
