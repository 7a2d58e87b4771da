"""Latency, throughput and AUROC of exported models beside PyTorch eager."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.predict import Predictor, find_images
from mmcvgssl.export.engines import is_exported
from mmcvgssl.export.exported_model import ExportedModel
from mmcvgssl.export.graphs import graph_of
from mmcvgssl.export.inputs import inputs_of
from mmcvgssl.model_file import load_model
from mmcvgssl.user_errors import user_errors

EAGER = 'PyTorch eager'
Run = Callable[[np.ndarray], object]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'files',
        nargs='+',
        help='model files, each followed by those that were exported of it',
    )
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument(
        '--good', help='images for the AUROC of anomaly models'
    )
    parser.add_argument('--defective', help='the others')
    return parser.parse_args()


def groups_of(files: list[str]) -> dict[str, list[str]]:
    """Return exported files by their model files.

    Raises:
        ValueError: If the first file is an exported one.
    """
    found: dict[str, list[str]] = {}
    for file in files:
        if not is_exported(file):
            found[file] = []
        elif not found:
            raise ValueError(f'expected a model file before {file}')
        else:
            [*found.values()][-1].append(file)
    return found


def runs_of(
    model: str, exported: list[str], threads: int
) -> tuple[dict[str, Run], tuple[int, int]]:
    """Return what computes a batch, by name, and the size of the input."""
    loaded = load_model(model)
    opened = {file: ExportedModel(file, threads) for file in exported}
    if opened:
        # of some detectors, it depends on the images of the export
        known = next(iter(opened.values())).metadata.input
        size = known['height'], known['width']
    else:
        inputs = inputs_of(loaded.transforms, loaded.source)
        size = inputs.height, inputs.width
    graph = graph_of(loaded, size).module.eval()

    def eager(batch: np.ndarray) -> object:
        with torch.inference_mode():
            return graph(torch.from_numpy(batch))

    runs: dict[str, Run] = {EAGER: eager}
    for file, found in opened.items():
        runs[Path(file).name] = found.run
    return runs, size


def measure(
    runs: Mapping[str, Run], batch: np.ndarray, repeats: int
) -> dict[str, float]:
    """Return the median time of each, seconds; they take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run(batch)
            if turn > 1:  # the first ones warm up
                times[name].append(time.perf_counter() - start)
    return {name: median(found) for name, found in times.items()}


def auroc(predictor: Predictor | ExportedPredictor, args) -> float:
    """Return the AUROC of scores, percent."""
    scores: list[float] = []
    labels: list[int] = []
    for label, folder in enumerate((args.good, args.defective)):
        paths = sorted(map(str, find_images(folder)))
        found = [row.row()['score'] for row in predictor(paths)]
        scores += found
        labels += [label] * len(found)
    return 100 * roc_auc_score(labels, scores)


def main() -> None:
    """Measure each model and its exported files in turns."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    random = np.random.default_rng(0)
    print(
        f'| model | {args.threads} thread(s) | ms at batch 1 | times eager | '
        f'images/s at batch {args.batch_size} | times eager | AUROC |\n'
        '|---|---|---|---|---|---|---|'
    )
    with user_errors():
        for model, exported in groups_of(args.files).items():
            runs, size = runs_of(model, exported, args.threads)
            shape = (args.batch_size, *size, 3)
            batch = random.integers(256, size=shape, dtype=np.uint8)
            one = measure(runs, batch[:1], args.repeats)
            many = measure(runs, batch, max(args.repeats // 5, 3))
            for name, latency in one.items():
                file = next((f for f in exported if Path(f).name == name), '')
                scored = '–'
                if args.good and args.defective:
                    predictor = (
                        ExportedPredictor(file, threads=args.threads)
                        if file
                        else Predictor(model, device='cpu')
                    )
                    if predictor.kind.has_maps:
                        scored = f'{auroc(predictor, args):.1f}'
                print(
                    f'| {Path(model).stem} | {name} | {1e3 * latency:.1f} | '
                    f'{one[EAGER] / latency:.2f} | '
                    f'{args.batch_size / many[name]:.1f} | '
                    f'{many[EAGER] / many[name]:.2f} | {scored} |',
                    flush=True,
                )


if __name__ == '__main__':
    main()
