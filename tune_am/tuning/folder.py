"""The run folder: everything that a search leaves behind, and all it needs to go on."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.tuning.lock import lock
from tune_am.whole import whole

SCHEMA = 1  # of search.json
RESULT_SCHEMA = 1

# A search writes a few megabytes; a disk this full is about to fail it.
LEAST_FREE_BYTES = 64 * 2**20

# Of a campaign: the folder of its neurons' run folders, and their entry in its result.json.
UNITS = "units"

ASKED, RESULT, BEST, TRIALS = "search.json", "result.json", "best.safetensors", "trials"
_SPACE = "space.py"


class RunFolder:
    """`search.json` and `space.py` say what was asked, `study.journal` is the ledger, `trials/`
    holds the states of the trials, `result.json` and `best.safetensors` the result, `errors.txt`
    why trials failed."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.journal = self.path / "study.journal"
        self.trials = self.path / TRIALS
        self.ray = self.path / ".ray"
        self.result = self.path / RESULT
        self.best = self.path / BEST
        self.errors = self.path / "errors.txt"
        self._lock: Any = None

    @classmethod
    def check_new(cls, path: Path) -> RunFolder:
        """A folder that can be made; nothing is made yet."""
        folder = cls(path)
        if _is_dir(folder.path) and any(folder.path.iterdir()):
            hint = f"go on with it by {option('resume', str(path))}" if folder.exists() else ""
            hint = hint or "it is not empty"
            hint = f"{hint}, or name another with {option('out')}"
            raise UserError(f"output folder {path} exists: {hint}")
        if folder.path.exists() and not folder.path.is_dir():
            raise UserError(f"output folder {path} is a file: name another with {option('out')}")
        parent = next(parent for parent in (folder.path, *folder.path.parents) if parent.exists())
        if not parent.is_dir():
            raise UserError(
                f"output folder {path}: {parent} is a file; name another with {option('out')}"
            )
        try:
            with tempfile.TemporaryFile(dir=parent) as probe:
                probe.write(b"probe")
        except OSError as error:
            raise UserError(f"cannot write to {parent}: {error.strerror}") from None
        _check_space(parent)
        return folder

    @classmethod
    def check_old(cls, path: Path) -> RunFolder:
        """The folder of a search that can go on."""
        folder = cls(path)
        if not _is_dir(folder.path):
            asked = option("resume")
            raise UserError(f"no run folder {path}: {asked} takes the folder of an earlier search")
        if not folder.exists():
            raise UserError(f"{path} is no run folder: it has no {ASKED}")
        if not os.access(folder.path, os.W_OK):
            raise UserError(f"cannot write to {folder.path}: Permission denied")
        _check_space(folder.path)
        return folder

    def exists(self) -> bool:
        """Whether there is a search to go on with."""
        return (self.path / ASKED).exists()

    def made(self, unique: bool) -> RunFolder:
        """The folder, there by now; `unique`: by another name where somebody made it meanwhile."""
        if not unique:
            self.path.mkdir(parents=True, exist_ok=True)
            return self
        path, number = self.path, itertools.count(2)
        while True:
            try:
                path.mkdir(parents=True)
                return RunFolder(path)
            except FileExistsError:
                path = self.path.with_name(f"{self.path.name}-{next(number)}")

    def create(self, asked: dict[str, Any], space_source: str) -> None:
        """Write what was asked: only a folder that says it can be resumed."""
        if self.exists():
            raise UserError(f"{self.path} is the folder of another search by now")
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / _SPACE).write_text(space_source, encoding="utf-8")
        _write_json(self.path / ASKED, {"schema": SCHEMA, **asked})

    def keep(self, file: Path) -> None:
        """Copy a direction's file into the folder, so that nothing depends on the user's."""
        self.path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, self.path / file.name)

    def asked(self) -> tuple[dict[str, Any], str]:
        """What was asked of the search, and the source of its space."""
        try:
            asked = json.loads((self.path / ASKED).read_text(encoding="utf-8"))
            source = (self.path / _SPACE).read_text(encoding="utf-8")
            if asked["schema"] != SCHEMA:
                raise UserError(f"{self.path / ASKED} is of another version of tune_am")
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self.path / ASKED} is damaged: the search cannot go on") from None
        return asked, source

    def read_result(self) -> dict[str, Any]:
        """result.json; raises `OSError` or `ValueError` where there is none."""
        content: dict[str, Any] = json.loads(self.result.read_text(encoding="utf-8"))
        return content

    def write_result(self, content: dict[str, Any]) -> None:
        """result.json, whole or not at all."""
        _write_json(self.result, content)

    def __enter__(self) -> RunFolder:
        """Hold the folder: two searches must not share a ledger."""
        self._lock = open(self.path / ".lock", "w")
        try:
            lock(self._lock)
        except BlockingIOError:
            self._lock.close()
            raise UserError(f"{self.path} is in use by another search") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.ray, ignore_errors=True)  # of nobody else, while the folder is held
        self._lock.close()


def _is_dir(path: Path) -> bool:
    """Raises `UserError` where there can be no such folder, as of a name that is too long."""
    try:
        return path.is_dir()
    except OSError as error:
        raise UserError(f"no folder can be {path}: {error.strerror}") from None


def _write_json(path: Path, content: dict[str, Any]) -> None:
    """Whole or not at all."""
    with whole(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _check_space(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < LEAST_FREE_BYTES:
        raise UserError(
            f"the disk of {path} is full: {free // 2**20} MB are free, "
            f"{LEAST_FREE_BYTES // 2**20} are needed"
        )
