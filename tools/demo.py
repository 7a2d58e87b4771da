"""The main job on real images: learn without labels, then from a few.

Solar cells under electroluminescence (ELPV) come from the package registry.
A ResNet-18 from random weights learns from half of them without labels; then
it, a random ResNet-18 and its teacher classify the other half from 16, 64 and
128 labelled images a class.
"""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.datasets.preparation import prepare_elpv
from mmcvgssl.evaluation.few_shot.report import compare
from mmcvgssl.user_errors import user_errors
from mmcvgssl.weights.checkpoints import newest_whole_checkpoint

CONFIG = (
    Path(__file__).parents[1]
    / 'configs/pretrain/cvgssl/cvgssl-regress_resnet18_lite0_1xb64-24e_elpv.py'
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--work-dir', default='work_dirs/demo')
    parser.add_argument('--runs', type=int, default=10)
    parser.add_argument('--shots', type=int, nargs='+', default=[16, 64, 128])
    return parser.parse_args()


def run(*words: str) -> None:
    """Run the command as a user would, in a process of its own; show it."""
    command = [sys.executable, '-m', 'mmcvgssl', *words]
    print(f'\n$ {shlex.join(["mmcvgssl", *words])}', flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    """Run the steps; each takes up where an earlier run stopped."""
    args = parse_args()
    work = Path(args.work_dir)
    with user_errors():
        prepared = prepare_elpv(out=work / 'splits')
    print(prepared.summary())
    options = [
        '--cfg-options',
        f'data_root={prepared.data_root.resolve()}',
        f'split_dir={(work / "splits").resolve()}',
    ]
    shots = [str(k) for k in args.shots]
    run(
        'train',
        str(CONFIG),
        '--work-dir',
        str(work / 'pretrain'),
        '--resume',
        *options,
    )
    student = newest_whole_checkpoint(work / 'pretrain')
    rows = {
        'random ResNet-18, 128 px': 'none',
        'its teacher EfficientNet-Lite0, 160 px': 'teacher',
        'pretrained ResNet-18, 128 px': str(student),
    }
    results = {}
    for title, checkpoint in rows.items():
        out = work / 'few_shot' / Path(checkpoint).stem
        run(
            'few-shot',
            str(CONFIG),
            '--checkpoint',
            checkpoint,
            '--mode',
            'probe',
            '--shots',
            *shots,
            '--runs',
            str(args.runs),
            '--work-dir',
            str(out),
            *options,
        )
        results[title] = json.loads((out / 'few_shot.json').read_text())
    table = compare(results, work / 'demo.png')
    (work / 'demo.md').write_text(table)
    print(f'\nAccuracy on the test half, %, {args.runs} draws\n\n{table}')
    print(f'{work / "demo.md"} and {work / "demo.png"} written')


if __name__ == '__main__':
    main()
