"""Whether memory that tensors free stays with the process."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from tune_am import allocator

RESIDENT = """
import sys
from tune_am.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
made = [b"x" * 2**23 for _ in range(20)]
del made
print(int(open("/proc/self/statm").read().split()[1]))
"""


def resident(how: str) -> int:
    """Pages of a process that has freed 160 MB."""
    run = subprocess.run([sys.executable, "-c", RESIDENT, how], capture_output=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="no glibc")
def test_freed_memory_stays() -> None:
    megabyte = 2**20 // 4096
    assert resident("keep") - resident("leave") > 100 * megabyte


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_freed_memory()
