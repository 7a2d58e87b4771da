"""The main job on real images: few labels, many images without.

Solar cells under electroluminescence (ELPV) come from the package registry.
Features of ImageNet, and the same adapted to the cells of one half, which has
no labels, classify those of the other half, from labels that were drawn or
chosen. An anomaly model of cells known to be good marks what is odd on others.
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
from mmcvgssl.reports.extremes import extremes
from mmcvgssl.user_errors import user_errors
from mmcvgssl.utils import atomic_write

RECIPE = 'cvgssl-regress_resnet18_lite0-pyramid_1xb64-100e_folder'
CONFIG = f"""\
_base_ = [
    'mmcvgssl::pretrain/cvgssl/{RECIPE}.py',
    'mmcvgssl::_base_/datasets/elpv.py',
]
data_root = {{!r}}
split_dir = {{!r}}
"""
SINGLE = 'model.teachers.0.pyramid=()', 'model.teachers.0.input_size=160'
# the options of few-shot by what the table calls them
FEATURES = {
    'random ResNet-18': ['--checkpoint', 'none'],
    'ImageNet': ['--checkpoint', 'teacher', '--cfg-options', *SINGLE],
    'ours': ['--checkpoint', 'teacher', '--standardize'],
}
LABELS = {'random': 'drawn', 'rounds': 'chosen'}
OWN = """
The same on a folder of yours, DIR, in which images of a class share a folder:
  mmcvgssl prepare folder DIR
  mmcvgssl few-shot {} \\
      --checkpoint teacher --standardize --draw rounds --cfg-options \\
      data_root=DIR
  mmcvgssl fit mahalanobis-ad_lite0_folder --images GOOD \\
      --out parts.safetensors
  mmcvgssl predict parts.safetensors DIR --out predictions"""


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


def classify(config: Path, work: Path, args: argparse.Namespace) -> dict:
    """Learn from few labels; return results by features and labels."""
    results = {}
    for title, options in FEATURES.items():
        out = work / 'few_shot' / title.replace(' ', '_')
        run(
            *('few-shot', str(config), *options, '--draw', *LABELS),
            *('--shots', *map(str, args.shots), '--runs', str(args.runs)),
            *('--work-dir', str(out)),
        )
        for draw, name in LABELS.items():
            text = (out / draw / 'few_shot.json').read_text()
            results[f'{title}, labels {name}'] = json.loads(text)
    return results


def inspect(root: Path, work: Path, good: list[str], new: list[str]) -> Path:
    """Have an anomaly model learn good cells and judge new ones."""
    for name, paths in (('good.txt', good), ('new.txt', new)):
        text = ''.join(f'{path}\n' for path in paths)
        atomic_write(work / 'splits' / name, text.encode())
    model, out = work / 'cells.safetensors', work / 'predictions'
    run(
        *('fit', 'mahalanobis-ad_lite0_folder', '--out', str(model)),
        *('--work-dir', str(work / 'fit'), '--cfg-options'),
        *(f'data_root={root}', f'split_dir={(work / "splits").resolve()}'),
        'ann_file=good.txt',
    )
    cells = str(work / 'splits' / 'new.txt')
    run('predict', str(model), cells, '--root', str(root), '--out', str(out))
    return out


def main() -> None:
    """Run the steps; each takes up where an earlier run stopped."""
    args = parse_args()
    work = Path(args.work_dir)
    with user_errors():
        prepared = prepare_elpv(out=work / 'splits')
        config, root = work / 'solar_cells.py', prepared.data_root.resolve()
        split_dir = (work / 'splits').resolve()
        settings = CONFIG.format(str(root), str(split_dir))
        atomic_write(config, settings.encode())
    print(prepared.counts())
    results = classify(config, work, args)
    functional = prepared.classes.index('functional')
    truth = dict(prepared.splits['test'])
    good = [p for p, label in prepared.splits['train'] if label == functional]
    predicted = inspect(root, work, good, list(truth))
    sheet, ends = extremes(predicted)
    table = compare(results, work / 'demo.png', sheet)
    atomic_write(work / 'demo.md', table.encode())
    print(f'\nAccuracy (balanced) on the test half, {args.runs} draws, %\n')
    print(table)
    half = len(ends) // 2
    odd, usual = (
        sum(truth[path] != functional for path in part)
        for part in (ends[:half], ends[half:])
    )
    print(
        f'Of the {half} most suspicious cells {odd} are defective, of the '
        f'{half} least {usual}:\nsee {work / "demo.png"}; '
        f'{work / "demo.md"} has the table.'
    )
    print(OWN.format(RECIPE))


if __name__ == '__main__':
    main()
