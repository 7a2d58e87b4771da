"""Processor time and peak memory of a command, for other benchmarks."""

import subprocess
import sys

# a process counts the peak of the one that started it as its own, so that a
# small one has to stand between
_STARTER = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(status != 0)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Run Python on a script; return its seconds and peak memory in MiB.

    Seconds are those of processors, which hardly depend on what else runs;
    the peak is that of its largest process.

    Args:
        command: The script and its options.

    Raises:
        SystemExit: If it fails.
    """
    done = subprocess.run(
        [sys.executable, '-c', _STARTER, sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f'{" ".join(command)} failed')
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak) / 1024
