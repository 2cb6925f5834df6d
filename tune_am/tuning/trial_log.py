"""A log for each trial, where the Ray dashboard shows it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import ray

from tune_am.tuning.label import file_name


class TrialLog:
    """Says what a trial does, in a file of its own and in the log of its worker.

    The file lies in the logs of Ray's session on the node that runs the trial: the dashboard lists
    it by the trial's title. Workers are reused, so that a worker's own log tells of many trials.
    """

    def __init__(self, number: int, title: str) -> None:
        self._title = f"trial {number:04d} {title}"
        folder = session_logs()
        self._path = folder and folder / f"{file_name(self._title)}.log"

    def line(self, text: str) -> None:
        """Opened and closed each time: a trial on another worker goes on with the same file."""
        with suppress(OSError):  # a full disk, say: no trial fails for its log
            print(f"{self._title}: {text}", flush=True)
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")


def session_logs() -> Path | None:
    """The folder of this node's logs; None without Ray."""
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    folder = Path(context.get_temp_dir(), context.get_session_name(), "logs")
    return folder if folder.is_dir() else None
