"""Files that one process has at a time."""

from __future__ import annotations

import errno
import fcntl
from typing import IO, Any

# File systems without locks: of clusters, mostly (Lustre without its option, NFS without a daemon).
_NONE = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def lock(file: IO[Any], wait: bool = False) -> None:
    """Keep other processes off `file` until it is closed; where its file system has no locks,
    nothing is kept off. Raises `BlockingIOError` where another has it, unless it is to `wait`."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in _NONE:
            raise
