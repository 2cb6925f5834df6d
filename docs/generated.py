"""Fills the pages with what the code says, so that each fact has one place.

A line `<!-- generated: NAME -->` in a page is replaced by the table or text that NAME makes.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

COMMANDS = (
    "tune_am.search",
    "tune_am.explain",
    "tune_am.neurons",
    "tune_am.make_pack",
    "tune_am.vocal.detect",
    "tune_am.vocal.judge",
    "tune_am.vocal.build_pack",
)

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return _MARK.sub(lambda mark: _MAKERS[mark[1]](), markdown)


def settings() -> str:
    """Every hyper-parameter of an ascent."""
    from tune_am.am.settings import Settings

    rows = [
        (f"`{s.name}`", f"`{s.default}`", s.metadata["allowed"], s.metadata["help"])
        for s in fields(Settings)
    ]
    return _table(("setting", "default", "allowed", "what it is"), rows)


def metrics() -> str:
    """What a trial reports at each report point."""
    import inspect

    from tune_am.am import score
    from tune_am.am.objectives import DEFAULT, OBJECTIVES
    from tune_am.tuning.trial import METRICS

    source = inspect.getsource(score)
    said = dict(re.findall(r'^[A-Z_]+ = "(\w+)"  # (.+)$', source, re.MULTILINE))
    said |= {one.metric: f"{one.about}, of the examples kept now" for one in OBJECTIVES.values()}
    said[DEFAULT.metric] = f"{DEFAULT.about}, the best so far"
    return _table(("metric", "what it is"), [(f"`{name}`", said[name]) for name in METRICS])


def live_metrics() -> str:
    """What Prometheus finds."""
    from tune_am.tuning.watching.metrics import DESCRIPTIONS, exported

    rows = [(f"`{exported(name)}`", said) for name, said in DESCRIPTIONS.items()]
    return _table(("in Prometheus", "what it is"), rows)


def commands() -> str:
    """The help of each command, as it prints it."""
    parts = []
    for name in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", name, "--help"],
            capture_output=True,
            text=True,
            check=True,
            env=_plain(),
        )
        parts.append(f"## python -m {name}\n\n```text\n{done.stdout.strip()}\n```\n")
    return "\n".join(parts)


def _plain() -> dict[str, str]:
    import os

    return {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


_MAKERS: dict[str, Callable[[], str]] = {
    maker.__name__: maker for maker in (settings, metrics, live_metrics, commands)
}
