"""Files that one process has at a time."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from tune_am.tuning.lock import lock


def test_a_second_is_kept_off_until_the_first_is_done(tmp_path: Path) -> None:
    with (tmp_path / "it").open("w") as second:
        with (tmp_path / "it").open("w") as first:
            lock(first)
            with pytest.raises(BlockingIOError):
                lock(second)
        lock(second)


def test_without_locks_there_is_nothing_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some disks that a cluster shares; any other error is one."""

    errors = [errno.ENOSYS, errno.ENOLCK, errno.EIO]

    def flock(file: object, how: int) -> None:
        raise OSError(errors.pop(0), "no")

    monkeypatch.setattr(fcntl, "flock", flock)
    with (tmp_path / "it").open("w") as file:
        lock(file)
        lock(file)
        with pytest.raises(OSError, match="no"):
            lock(file)
