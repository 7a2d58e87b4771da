"""The main job on real images: learn without labels, then from a few.

Solar cells under electroluminescence (ELPV) come from the package registry.
A ResNet-18 from random weights learns from half of them without labels; then
it, a random ResNet-18 and its teacher classify the other half from 16, 64 and
128 labelled images a class.
"""

import argparse
import io
import json
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.cli import main as command
from mmcvgssl.datasets.preparation import prepare_elpv
from mmcvgssl.evaluation.few_shot.report import compare
from mmcvgssl.user_errors import user_errors
from mmcvgssl.utils import atomic_write
from mmcvgssl.weights.checkpoints import newest_whole_checkpoint

CONFIG = """\
_base_ = 'mmcvgssl::pretrain/cvgssl/{recipe}.py'
data_root = {data_root!r}
split_dir = {split_dir!r}
"""
RECIPE = 'cvgssl-regress_resnet18_lite0_1xb64-24e_elpv'


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
    """Run the command as a user would; show what it does."""
    print(f'\n$ {shlex.join(["mmcvgssl", *words])}', flush=True)
    with redirect_stdout(io.StringIO()):  # the results are shown at the end
        code = command(words)
    if code:
        raise SystemExit(code)


def main() -> None:
    """Run the steps; each takes up where an earlier run stopped."""
    args = parse_args()
    work = Path(args.work_dir)
    with user_errors():
        prepared = prepare_elpv(out=work / 'splits')
        settings = CONFIG.format(
            recipe=RECIPE,
            data_root=str(prepared.data_root.resolve()),
            split_dir=str((work / 'splits').resolve()),
        )
        config = work / 'solar_cells.py'
        atomic_write(config, settings.encode())
    print(prepared.counts())
    trained = str(work / 'pretrain')
    run('train', str(config), '--work-dir', trained, '--resume')
    rows = {
        'random ResNet-18, 128 px': 'none',
        'its teacher EfficientNet-Lite0, 160 px': 'teacher',
        'pretrained ResNet-18, 128 px': str(newest_whole_checkpoint(trained)),
    }
    results = {}
    for title, checkpoint in rows.items():
        out = work / 'few_shot' / Path(checkpoint).stem
        shots = ['--shots', *map(str, args.shots), '--runs', str(args.runs)]
        run(
            *('few-shot', str(config), '--checkpoint', checkpoint),
            *(*shots, '--work-dir', str(out)),
        )
        results[title] = json.loads((out / 'few_shot.json').read_text())
    table = compare(results, work / 'demo.png')
    atomic_write(work / 'demo.md', table.encode())
    print(f'\nAccuracy on the test half, %, {args.runs} draws\n\n{table}')
    print(f'{work / "demo.md"} and {work / "demo.png"} written')


if __name__ == '__main__':
    main()
