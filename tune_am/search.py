"""The main command: hunt the best settings for a neuron.

python -m tune_am.search --neuron vocal
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from tune_am.command import exit_status
from tune_am.tuning.config import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 1 when no trial succeeded, 2 for what the user can mend,
    130 when stopped by Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return exit_status(lambda: _search(arguments))


def _search(arguments: Sequence[str]) -> int:
    config, given = parse(arguments)
    from tune_am.tuning.session import command  # seconds of imports, after the cheap checks

    return command(config, given, shlex.join(["python", "-m", "tune_am.search", *arguments]))


if __name__ == "__main__":
    sys.exit(main())
