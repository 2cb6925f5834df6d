"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

ENDLESS = """
import sys
from tune_am.command import exit_status

def command():
    while True:
        print("line")

sys.exit(exit_status(command))
"""


def test_who_has_read_enough_gets_no_error() -> None:
    """As in ``python -m tune_am.neurons | head``."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        assert done.stdout.readline() == b"line\n"
        done.stdout.close()
        assert done.stderr.read() == b""
        assert done.wait() == 141
