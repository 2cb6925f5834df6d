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


CLOSED = """
import sys
from tune_am.command import exit_status

sys.exit(exit_status(lambda: print(sys.stdout.isatty(), flush=True) or 3))
"""


def test_who_has_closed_its_output_gets_no_error() -> None:
    """As in ``python -m tune_am.search >&-``."""
    command = 'exec "$0" -c "$1" >&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, CLOSED], capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, b"")


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
