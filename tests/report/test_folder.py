"""A report's folder appears whole or not at all, and never takes another's place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tune_am.errors import UserError
from tune_am.report.folder import new_folder


def fill(out: Path, text: str, overwrite: bool = False) -> None:
    with new_folder(out, overwrite) as folder:
        (folder / "report.html").write_text(text)
        (folder / "explain.json").write_text(json.dumps({"schema": 1}))


def test_it_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "report"
    fill(out, "one")
    assert (out / "report.html").read_text() == "one"
    assert [path.name for path in out.parent.iterdir()] == ["report"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "report") as folder:
            (folder / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_replaced_when_asked_to(tmp_path: Path) -> None:
    out = tmp_path / "report"
    fill(out, "one")
    (out / "old").touch()
    with pytest.raises(
        UserError, match="exists: replace it by overwrite=True, or name another with out="
    ):
        fill(out, "two")
    with pytest.raises(RuntimeError), new_folder(out, overwrite=True):
        raise RuntimeError
    assert (out / "report.html").read_text() == "one"
    fill(out, "two", overwrite=True)
    assert (out / "report.html").read_text() == "two"
    assert not (out / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("files", [[], ["thesis.tex"], ["report.html"], ["explain.json"]])
def test_anything_else_stays(tmp_path: Path, files: list[str]) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    for name in files:
        (out / name).write_text("mine")
    with pytest.raises(UserError, match="exists and is no report"):
        fill(out, "two", overwrite=True)
    assert sorted(path.name for path in out.iterdir()) == files
