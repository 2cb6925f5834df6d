"""Tuned activation maximisation: find the ascent settings that explain a neuron best.

    result = tune_am.search("vocal", trials=8)
    result.best.settings

Importing the package costs nothing: the names below load PyTorch, Ray, Optuna and MLflow only when
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tune_am.errors import UserError

if TYPE_CHECKING:
    from tune_am.am.ascent import Ascent
    from tune_am.am.plan import Plan
    from tune_am.am.settings import Settings
    from tune_am.am.trial_run import TrialRun
    from tune_am.campaign import CampaignResult, load_result
    from tune_am.examples import Examples, ascend
    from tune_am.explain import explain
    from tune_am.library import activation_fid, load_pack
    from tune_am.make_pack import make_pack
    from tune_am.packs.neuron import Neuron
    from tune_am.packs.pack import Pack
    from tune_am.result import SearchResult
    from tune_am.search import search

__version__ = "0.1.0"

# Where each name is defined. "search", "explain" and "make_pack" are modules of commands that
# can be called as functions (`tune_am.callable_module` says why).
_HOMES = {
    "Ascent": "tune_am.am.ascent",
    "CampaignResult": "tune_am.campaign",
    "Examples": "tune_am.examples",
    "Neuron": "tune_am.packs.neuron",
    "Pack": "tune_am.packs.pack",
    "Plan": "tune_am.am.plan",
    "SearchResult": "tune_am.result",
    "Settings": "tune_am.am.settings",
    "TrialRun": "tune_am.am.trial_run",
    "activation_fid": "tune_am.library",
    "ascend": "tune_am.examples",
    "explain": "",
    "load_pack": "tune_am.library",
    "load_result": "tune_am.campaign",
    "make_pack": "",
    "search": "",
}

__all__ = [
    "Ascent",
    "CampaignResult",
    "Examples",
    "Neuron",
    "Pack",
    "Plan",
    "SearchResult",
    "Settings",
    "TrialRun",
    "UserError",
    "__version__",
    "activation_fid",
    "ascend",
    "explain",
    "load_pack",
    "load_result",
    "make_pack",
    "search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    return getattr(import_module(home), name) if home else import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return __all__
