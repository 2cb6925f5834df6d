"""Files and folders that are whole or not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tune_am.errors import UserError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to: what is there in the end replaces `path`; after an error
    it is removed and `path` is as it was."""
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """The same of a folder, which is there to be filled. Raises `UserError` where none can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent)
    except OSError as error:
        raise UserError(f"cannot write to {path.parent}: {error.strerror}") from None
    with scratch as place:
        folder = Path(place, "new")
        folder.mkdir()
        yield folder
        if path.exists():
            path.rename(Path(place, "old"))
        folder.rename(path)
