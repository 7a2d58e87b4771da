"""How benchmarks measure: in turns, each in a process of its own.

Other work on the machine slows all down alike, so that ratios of one round
hold; the median over the rounds counts. What a benchmark has found it says in
its last line, as JSON, which ``run_all.py`` reads.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

Found = dict[str, list[dict]]


def device() -> str:
    """Name the device to run on."""
    return 'cuda' if torch.cuda.is_available() else 'cpu'


def clock() -> float:
    """Return the time when all queued work is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peaks() -> dict[str, float]:
    """Return the peak memory of this process and of its device, MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out = {'peak_host_mib': usage}
    if torch.cuda.is_available():
        out['peak_device_mib'] = torch.cuda.max_memory_allocated() / 2**20
    return out


def apart(work: Callable[..., dict], *given: Any) -> dict:
    """Return what a function of a script says in a process of its own.

    Without a GPU the process is a copy of this one, which has to import
    nothing; CUDA takes no copies.

    Raises:
        SystemExit: If it fails.
    """
    start = 'spawn' if torch.cuda.is_available() else 'fork'
    context = multiprocessing.get_context(start)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(there, work, *given))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f'{work.__name__} failed') from None
    finally:
        process.join()


def _send(pipe: Connection, work: Callable[..., dict], *given: Any) -> None:
    pipe.send(work(*given))


def in_turns(
    measure: Callable[[argparse.Namespace, str], dict],
    args: argparse.Namespace,
    kinds: Sequence[str],
    unit: str = 'images/s',
) -> Found:
    """Measure each kind once a round; return what each has found.

    Args:
        measure: Gives the ``rate`` of a kind, and more.
        args: Options, with the number of ``rounds``; their ``round`` is set.
        kinds: Their names.
        unit: Of the rates.
    """
    found: Found = {kind: [] for kind in kinds}
    for i in range(args.rounds):
        args.round = i
        for kind in kinds:
            found[kind].append(apart(measure, args, kind))
        figures = ', '.join(f'{k}: {found[k][-1]["rate"]:.3g}' for k in kinds)
        print(f'round {i + 1}, {unit}: {figures}', flush=True)
    return found


def ratio(found: Found, ours: str, base: str) -> float:
    """Return the median over the rounds of how many times as fast."""
    pairs = zip(found[ours], found[base], strict=True)
    return float(np.median([a['rate'] / b['rate'] for a, b in pairs]))


def median_of(found: Found, kind: str, key: str = 'rate') -> float:
    """Return the median of a figure over the rounds."""
    return float(np.median([each[key] for each in found[kind]]))


def print_table(found: Found, base: str, unit: str = 'images/s') -> None:
    """Print rate, ratio and peak memory of each kind."""
    for kind, rows in found.items():
        memory = ', '.join(
            f'{key} {value:.0f}'
            for key, value in rows[-1].items()
            if key.startswith('peak_')
        )
        print(
            f'{kind}: median {median_of(found, kind):.3g} {unit}, '
            f'{ratio(found, kind, base):.2f} x {base}, {memory}'
        )


def say(values: dict[str, float]) -> None:
    """Print what was found, by name and unit, as the last line."""
    print(json.dumps(values), flush=True)


def busy_share(run: Callable[[], object]) -> float:
    """Return the share of the time of a call in which the GPU works."""
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        start = clock()
        run()
        seconds = clock() - start
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in found.events()
        if event.device_type == DeviceType.CUDA
    ]
    return covered(spans) / 1e6 / seconds


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """Return the length of what spans cover, which may overlap."""
    length, reached = 0.0, -float('inf')
    for start, end in sorted(spans):
        length += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return length
