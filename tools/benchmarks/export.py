"""Latency of exported models beside PyTorch: batch 1, and throughput."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.export.graphs import graph_of
from mmcvgssl.export.inputs import inputs_of
from mmcvgssl.export.runtime import ExportedModel
from mmcvgssl.model_file import load_model
from mmcvgssl.user_errors import user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='the model file')
    parser.add_argument(
        'exported', nargs='+', help='files of tools/export_graph.py of it'
    )
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument('--seconds', type=float, default=5.0)
    parser.add_argument('--threads', type=int, default=1)
    return parser.parse_args()


def measure(run: Callable[[], object], seconds: float) -> float:
    """Return the median time of a call, seconds."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def main() -> None:
    """Measure all of them on the same random images."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    with user_errors():
        loaded = load_model(args.model)
        inputs = inputs_of(loaded.transforms, loaded.source)
        size = inputs.height, inputs.width
        graph = graph_of(loaded, size).module.eval()
        others = {
            Path(file).name: ExportedModel(file, threads=args.threads)
            for file in args.exported
        }
    size = next(iter(others.values())).metadata.input
    shape = (args.batch_size, size['height'], size['width'], 3)
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, shape, generator=random, dtype=torch.uint8)
    arrays = images.numpy()

    def eager(batch: torch.Tensor) -> object:
        with torch.inference_mode():
            return graph(batch)

    runs: dict[str, tuple[Callable, Callable]] = {
        'PyTorch eager': (lambda: eager(images[:1]), lambda: eager(images))
    }
    for name, model in others.items():
        runs[name] = (
            lambda model=model: model.run(arrays[:1]),
            lambda model=model: model.run(arrays),
        )
    print(
        f'| {args.threads} thread(s) | ms at batch 1 | times eager | '
        f'images/s at batch {args.batch_size} |\n|---|---|---|---|'
    )
    first = 0.0
    for name, (one, many) in runs.items():
        latency = measure(one, args.seconds)
        first = first or latency
        rate = args.batch_size / measure(many, args.seconds)
        print(
            f'| {name} | {1e3 * latency:.1f} | {first / latency:.2f} | '
            f'{rate:.1f} |',
            flush=True,
        )


if __name__ == '__main__':
    main()
