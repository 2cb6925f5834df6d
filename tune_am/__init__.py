"""Tuned activation maximisation: find the ascent settings that explain a neuron best.

Importing the package costs nothing: the names below load PyTorch only when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tune_am.am.ascent import Ascent
    from tune_am.am.pack import Pack
    from tune_am.am.plan import Plan
    from tune_am.am.settings import Settings
    from tune_am.am.trial_run import TrialRun

__version__ = "0.1.0"
__all__ = ["Ascent", "Pack", "Plan", "Settings", "TrialRun", "__version__"]

_HOMES = {
    "Ascent": "tune_am.am.ascent",
    "Pack": "tune_am.am.pack",
    "Plan": "tune_am.am.plan",
    "Settings": "tune_am.am.settings",
    "TrialRun": "tune_am.am.trial_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
