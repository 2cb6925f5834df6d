"""One self-contained HTML file from a template, its style and its scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tune_am.counting import counted
from tune_am.report import words
from tune_am.tuning.result_format import TITLES

_FOLDER = Path(__file__).parent / "page"
# What scripts look for on every page.
_NOTHING: dict[str, Any] = {"charts": {}, "levels": None, "front": None, "search": None}
SCRIPTS = (
    "kit.js",
    "players.js",
    "examples.js",
    "front.js",
    "search.js",
    "parallel.js",
    "units.js",
)


def fill(name: str, data: dict[str, Any], **content: Any) -> str:
    """The page `name` with `content`, every value escaped, and `data` for its scripts: charts,
    levels, front and search, as far as it has them.

    Nothing is fetched: the page's own security policy allows its one script, by digest, and
    pictures and sounds that it holds itself.
    """
    script = "\n".join((_FOLDER / part).read_text(encoding="utf-8") for part in SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(name)
        .render(
            css=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=digest,
            data=Markup(_json({**_NOTHING, **data})),
            titles=TITLES,
            **content,
        )
    )


def fragment(name: str, **content: Any) -> str:
    """A piece of a page that is somebody else's, as of a notebook: no style sheet, no scripts."""
    return _environment().get_template(name).render(**content)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "number": words.number,
        "interval": words.interval,
        "settings": words.settings_in_words,
    }
    return environment


def _json(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
