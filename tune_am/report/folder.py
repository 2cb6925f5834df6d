"""The report's folder: it appears whole or not at all."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path

from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.whole import whole_folder

PAGE, FACTS = "report.html", "explain.json"


def new_folder(out: Path, overwrite: bool = False) -> AbstractContextManager[Path]:
    """A folder to fill, which becomes `out` when the block ends well."""
    return whole_folder(check(out, overwrite))


def check(out: Path, overwrite: bool = False) -> Path:
    """`out`, absolute, if a report can be written there. Raises `UserError`.

    An existing folder is replaced only when asked for, and only if it is a report.
    """
    out = Path(out).absolute()
    if out.exists():
        if not _is_report(out):
            raise UserError(
                f"{out} exists and is no report: move it away, or name another folder with "
                f"{option('out')}"
            )
        if not overwrite:
            replace = f"replace it by {option('overwrite', True)}"
            raise UserError(f"{out} exists: {replace}, or name another with {option('out')}")
    return out


def _is_report(folder: Path) -> bool:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (folder / PAGE).is_file() and isinstance(facts, dict) and "schema" in facts
