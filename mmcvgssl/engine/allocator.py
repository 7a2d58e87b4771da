"""Make glibc reuse freed memory instead of returning it."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let the C library reuse large blocks on Linux; True if it agreed.

    By default glibc maps each large tensor afresh, so the kernel clears its
    pages again and again: more than half the time of a CPU training step.
    Peak memory does not grow, it is only returned at exit.
    """
    if platform.libc_ver()[0] != 'glibc':
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(
        mallopt(option, value) == 1
        for option, value in (
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, -1),
            (_M_TOP_PAD, 1 << 26),
        )
    )
