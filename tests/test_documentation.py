"""What the documentation has one type is accepted, and the benchmarks it names can be run."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tune_am.report.config import parse as parse_explain
from tune_am.tuning.config import parse as parse_search

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "bench" / "README.md",
    ROOT / "dashboards" / "README.md",
    ROOT / "examples" / "digits" / "README.md",
    ROOT / "tune_am" / "vocal" / "pack" / "README.md",
]
BENCHMARKS = sorted((ROOT / "bench").glob("*.py"))

# A line of a code block, or code within a sentence, which may be broken across lines.
_TYPED = re.compile(r"^(?: {4}|)(python .+)$|`(python [^`]+)`", re.MULTILINE)
# These two check more than argparse does, and load nothing before.
_CHECKED = {"tune_am.search": parse_search, "tune_am.explain": parse_explain}


class Parsed(BaseException):
    """In place of what a command does once its options are read."""


def typed_in(page: Path) -> list[list[str]]:
    """The words after `python` of each command of ours, without comments and what takes its
    output. Placeholders (RUN_DIR, HEAD:6379) stay: they are as good as what they stand for."""
    found = []
    for block, inline in _TYPED.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(re.split(r" [|>&]+ ", block or inline)[0], comments=True)[1:]
        if words[0] == "-m":
            words = words[1:]
        if words[0].startswith("tune_am.") or words[0].endswith(".py"):
            found.append(words)
    return found


COMMANDS = sorted(
    {(str(page.relative_to(ROOT)), *words) for page in PAGES for words in typed_in(page)}
)


def imported(path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script as a module; beside it is what it imports of its own folder."""
    monkeypatch.syspath_prepend(str(path.parent))
    spec = spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_every_page_is_read() -> None:
    """As many as there were when this was written; a pattern that finds none proves nothing."""
    assert len(COMMANDS) > 40
    assert {words[1] for words in COMMANDS} >= {"tune_am.vocal.judge", "bench/searchers.py"}


@pytest.mark.parametrize("typed", COMMANDS, ids=" ".join)
def test_a_documented_command_is_accepted(
    typed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, what, *arguments = typed
    script = ROOT / what if what.endswith(".py") else None
    if not arguments:  # nothing to read; a sentence may name a command that needs some
        assert script.is_file() if script else find_spec(what)
        return
    if what in _CHECKED:
        _CHECKED[what](arguments)
        return
    module = imported(script, monkeypatch) if script else import_module(what)
    parse = argparse.ArgumentParser.parse_known_args

    def stop(parser: argparse.ArgumentParser, *given: Any) -> None:
        raise Parsed(parse(parser, *given)[1])

    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
    monkeypatch.setattr(sys, "argv", [what, *arguments])
    with pytest.raises(Parsed) as read:
        module.main()
    assert read.value.args == ([],)


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_finds_what_it_names(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its imports, and attributes of the modules and classes that it imports."""
    names = vars(imported(path, monkeypatch))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if isinstance(owner, ModuleType | type):
                assert hasattr(owner, node.attr), f"line {node.lineno}: {ast.unparse(node)}"
