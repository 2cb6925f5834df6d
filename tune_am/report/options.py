"""What may be asked of an explanation as keywords of a function: the command line's, alike."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.naming import flag
from tune_am.report.config import ExplainConfig
from tune_am.tuning.options import checked, with_prior

if TYPE_CHECKING:
    from tune_am.result import SearchResult

    Run = SearchResult | str | os.PathLike[str]

_KEYWORDS = {spec.name for spec in fields(ExplainConfig)} - {"given"}
# What is no text.
_KINDS = {"steps": int, "seed": int, "examples": int, "overwrite": bool, "trust_code": bool}


def from_keywords(
    run: Run | None,
    compare: Sequence[Run],
    neuron: str | None,
    settings: Settings | Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> tuple[ExplainConfig, str]:
    """The explanation that is asked for, and what to type for the same (`UserError`)."""
    if unknown := sorted(options.keys() - _KEYWORDS):
        raise UserError(
            f"an explanation has no option {unknown[0]!r}; there are {', '.join(sorted(_KEYWORDS))}"
        )
    if settings is not None and neuron is None:
        raise UserError("settings go with neuron= only: a run has its own")
    asked = {name: value for name, value in options.items() if value is not None}
    if neuron is not None:
        asked = {**with_prior(asked), "neuron": neuron}
    asked = {name: checked(name, _KINDS.get(name, str), value) for name, value in asked.items()}
    asked = {name: value for name, value in asked.items() if value is not False}  # flags not given
    if "out" in asked:
        asked["out"] = Path(asked["out"])
    if not isinstance(settings, Settings | Mapping | None):
        raise UserError(f"settings={settings!r}: must be Settings, or a dict of them by name")
    chosen = settings if isinstance(settings, Settings) else Settings.from_dict(settings or {})
    runs = {"run": None if run is None else _folder(run), "compare": tuple(map(_folder, compare))}
    config = ExplainConfig(**asked, **runs, settings=chosen, given=frozenset(asked))  # type: ignore[arg-type]
    return config, _command_line(config, asked)


def _command_line(config: ExplainConfig, asked: Mapping[str, Any]) -> str:
    words = ["python", "-m", "tune_am.explain"]
    if config.run is not None:
        words.append(str(config.run))
    if config.compare:
        words += ["--compare", *map(str, config.compare)]
    usual = Settings().to_dict()
    chosen = config.settings.to_dict()
    differing = {name: value for name, value in chosen.items() if value != usual[name]}
    for name, value in {**asked, **differing}.items():
        words += [flag(name)] if value is True else [flag(name), str(value)]
    return shlex.join(words)


def _folder(run: Run) -> Path:
    try:
        return Path(getattr(run, "folder", run))  # type: ignore[arg-type]
    except TypeError:
        raise UserError(f"{run!r} is no search: give its result or its folder") from None
