"""The one line that is told of a failure."""

from __future__ import annotations

import pytest

from tune_am.tuning.failure import cause

TRACEBACK = """Failure # 1 (occurred at 2026-11-28_09-50-00)
ray::ascent.train() (pid=7, ip=127.0.0.1)
  File "trial.py", line 99, in step
    metrics = self._advance()
              ^^^^^^^^^^^^^^^
  File "ascent.py", line 5, in advance
    loss.backward()
"""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{TRACEBACK}OSError: disk full\n\n", "OSError: disk full"),
        (f'{TRACEBACK}ValueError: no such "\nname\n"\n', 'ValueError: no such "'),
        (
            f"{TRACEBACK}torch.AcceleratorError: CUDA error: out of memory\n"
            "CUDA kernel errors might be reported later\nframe #1: 0x7f in libc10.so\n",
            "torch.AcceleratorError: CUDA error: out of memory",
        ),
        (
            f"{TRACEBACK}KeyError: 1\n\nDuring handling of the above exception, another exception "
            f"occurred:\n\n{TRACEBACK}OSError: disk full\nNo help\n",
            "OSError: disk full",
        ),
        (f"{TRACEBACK}", "    loss.backward()"),
        ("The actor died.\n\tpid: 7\nIts worker was killed.\n", "Its worker was killed."),
        ("\n", ""),
    ],
)
def test_of_a_traceback_it_is_the_exception_s_own(text, line):
    assert cause(text) == line
