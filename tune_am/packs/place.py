"""Where a pack may be written: nothing but a pack is ever replaced."""

from __future__ import annotations

import json
from pathlib import Path

from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.packs.manifest import FILE


def expect_place(out: Path, overwrite: bool) -> None:
    """Raise `UserError` unless a pack may be written to `out`, which is not there, or, with
    `overwrite`, is a pack and nothing else. Nothing is written."""
    if out.exists() or out.is_symlink():
        _expect_pack(out)
        if not overwrite:
            raise UserError(
                f"{out}: exists already; name another folder or add {option('overwrite', True)}"
            )
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"cannot write {out}: {above} is no folder")


def _expect_pack(out: Path) -> None:
    try:
        known = {FILE, *json.loads((out / FILE).read_text(encoding="utf-8"))["sha256"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{out} exists and is no pack: name another folder") from None
    if out.is_symlink():
        raise UserError(f"{out} is a link to a pack: name the folder itself")
    others = sorted(path.name for path in out.iterdir() if path.name not in known)
    if others:
        raise UserError(
            f"{out} holds more than a pack ({', '.join(others[:3])}), which would be lost: name "
            "another folder"
        )
