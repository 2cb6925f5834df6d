"""How a search's result is kept: what those who write it and those who read it share.

Imports neither Ray nor Optuna: a report needs them not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from tune_am.packs.stored import save_tensors
from tune_am.whole import whole

# Of the controls, by their names.
TITLES = {
    "never_optimised": "never optimised",
    "random_classifier": "random classifier",
    "real_vs_real": "real against real",
}

# Of a row in a search by several objectives: whether no other is better by all of them.
ON_FRONT = "on_front"


def settings_read(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that the ascent reads: adam has no momentum."""
    unread = ("momentum",) if settings.get("optimizer") == "adam" else ()
    return {name: value for name, value in settings.items() if name not in unread}


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's row with its settings beside the rest."""
    return {**{key: value for key, value in row.items() if key != "settings"}, **row["settings"]}


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Trials' rows as a table, `flat`."""
    table = [flat(row) for row in rows]
    return {name: [row[name] for row in table] for name in table[0]} if table else {}


def save_made(path: Path, trial: int, step: int, made: Mapping[str, Tensor]) -> None:
    """Write what a trial's setting made, and of which trial and step it is."""
    with whole(path) as partial:
        save_tensors(made, partial, metadata=_which(trial, step))


def made_of(path: Path, trial: int, step: int, *names: str) -> tuple[Tensor, ...] | None:
    """The tensors of these names that `save_made` wrote of this trial's step; None where there are
    none: a search that goes on after its end may be stopped with another best."""
    try:
        with safe_open(path, "pt") as file:
            if file.metadata() == _which(trial, step):
                return tuple(file.get_tensor(name) for name in names)
    except (OSError, SafetensorError):
        pass
    return None


def _which(trial: int, step: int) -> dict[str, str]:
    return {"trial": str(trial), "step": str(step)}
