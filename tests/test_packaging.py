"""An installed package holds all that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="Python has it since 3.11")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tune_am"
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "setuptools"
]


def test_all_packages_are_installed() -> None:
    folders = [file.parent.relative_to(ROOT) for file in PACKAGE.rglob("__init__.py")]
    there = {".".join(folder.parts) for folder in folders}
    assert set(SETUPTOOLS["packages"]) == there | {"tune_am.search_spaces"}


def test_all_data_is_installed() -> None:
    patterns = SETUPTOOLS["package-data"]["tune_am"]
    installed = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    files = {file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix != ".py"}
    assert {file for file in files if file.parent.name != "__pycache__"} <= installed
