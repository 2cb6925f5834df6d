"""What a search prints, to a reader who may leave before its end, as `head` does."""

from __future__ import annotations

import os
import sys
import threading

# Set once nothing can be printed. Within Ray's loop an error would make Ray run a trial again: the
# search is stopped in order instead.
UNREAD = threading.Event()


def say(text: str) -> None:
    """Print a line at once."""
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        UNREAD.set()
        if not isinstance(error, BrokenPipeError):  # a full disk under a log
            print(f"error: cannot print: {error.strerror}; the search stops", file=sys.stderr)
