"""Text files are read and written in UTF-8, whatever the computer's own encoding is."""

from __future__ import annotations

import ast
from pathlib import Path

import tune_am

SOURCES = Path(tune_am.__file__).parent


def test_every_text_file_names_its_encoding() -> None:
    """Ruff's PLW1514 sees it only where it knows that something is a `Path`."""
    bare = [
        f"{path.relative_to(SOURCES)}:{node.lineno}"
        for path in sorted(SOURCES.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
    ]
    assert not bare
