"""Measure what this machine can do at best, as a frame for other speeds.

JPEGs decoded by one core, products of matrices and copies of memory, of the
processor and, if there is one, of the GPU. The best of many tries counts, as
other work may run. A product of n x n matrices counts as 2 n^3 operations,
float32 as PyTorch has it by default, without TF32; a copy counts as bytes read
and bytes written.
"""

import argparse
from collections.abc import Callable

import cv2
import numpy as np
import torch
from surfaces import scratched
from turns import clock, device, say

SIDES = 256, 1024  # of JPEGs, pixels
# short on a processor, so that other work does not come between
MATRIX = {'cpu': 512, 'cuda': 8192}  # side
COPY = {'cpu': 1 << 26, 'cuda': 1 << 31}  # bytes
NAMES = {'cpu': 'CPU', 'cuda': 'GPU'}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--seconds', type=float, default=2.0, help='for each figure'
    )
    return parser.parse_args()


def best_rate(work: Callable[[], object], seconds: float) -> float:
    """Return how often a second something can be done, at best."""
    work()
    least, end = float('inf'), clock() + seconds
    while True:
        start = clock()
        work()
        stop = clock()
        least = min(least, stop - start)
        if stop > end:
            return 1 / least


def decode_rate(side: int, seconds: float = 2.0) -> float:
    """Return how many JPEGs of surfaces a core decodes a second."""
    cv2.setNumThreads(0)
    image = scratched(np.random.default_rng(0), side)
    data = cv2.imencode('.jpg', image)[1]
    return best_rate(lambda: cv2.imdecode(data, cv2.IMREAD_COLOR), seconds)


def matrix_rate(where: str, dtype: torch.dtype, seconds: float = 2.0) -> float:
    """Return TFLOP/s of products of matrices of random numbers."""
    side = MATRIX[where]
    a, b = (torch.rand(side, side, device=where).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    again = 8 if where == 'cuda' else 1  # longer than what starts them

    def work() -> None:
        for _ in range(again):
            torch.mm(a, b, out=out)

    return again * 2 * side**3 * best_rate(work, seconds) / 1e12


def copy_rate(where: str, seconds: float = 2.0) -> float:
    """Return GB/s of a copy, read and written."""
    source = torch.ones(COPY[where], dtype=torch.uint8, device=where)
    target = torch.empty_like(source)
    work = best_rate(lambda: target.copy_(source), seconds)
    return 2 * COPY[where] * work / 1e9


def main() -> None:
    """Print all limits."""
    seconds = parse_args().seconds
    found = {
        f'JPEGs of {side} px a core decodes, /s': decode_rate(side, seconds)
        for side in SIDES
    }
    for where in dict.fromkeys(('cpu', device())):
        for dtype in (torch.float32, torch.bfloat16):
            kind = str(dtype).removeprefix('torch.')
            found[f'{NAMES[where]}, {kind} products, TFLOP/s'] = matrix_rate(
                where, dtype, seconds
            )
        found[f'{NAMES[where]}, copies, GB/s'] = copy_rate(where, seconds)
    for name, value in found.items():
        print(f'{name}: {value:.3g}')
    say(found)


if __name__ == '__main__':
    main()
