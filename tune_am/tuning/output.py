"""What a search prints, to a reader who may leave before its end, as `head` does."""

from __future__ import annotations

import os
import sys
import threading

# Set once nobody reads. Within Ray's loop an error would leave trials in the air: the search is
# stopped in order instead.
UNREAD = threading.Event()


def say(text: str) -> None:
    """Print a line at once."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        UNREAD.set()
