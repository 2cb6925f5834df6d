"""The C library's memory allocator, as suits a process that computes on the CPU."""

from __future__ import annotations

import ctypes

# Of mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_BLOCK = 32 * 2**20  # that glibc can be told to keep
_MOST_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Have what tensors free stay with the process, for the next step to use; whether it will.

    Left alone, glibc hands blocks of megabytes back to the kernel as they are freed, so that every
    step of an ascent or a training gets its memory page by page anew. Other C libraries have no
    such setting, and are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK) and mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT)
    )
