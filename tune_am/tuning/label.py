"""What a trial is called wherever people read of it: `vocal-max lr=0.01 l2=1e-3`."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.packs.neuron import shown

# Named in each title; the other settings only where they differ from their defaults.
_ALWAYS = ("lr", "l2")

_LONGEST = 180  # of a file's name: file systems take 255, Ray adds to it
_DIGEST = 12


def search_title(plan: Plan) -> str:
    """What is explained: `vocal-max`."""
    return f"{shown(plan.neuron)}-{plan.direction}"


def trial_title(plan: Plan, settings: Settings) -> str:
    """What is explained, and by which settings."""
    return f"{search_title(plan)} {settings_title(settings)}"


def settings_title(settings: Settings) -> str:
    defaults = Settings().to_dict()
    shown = {
        name: value
        for name, value in settings.to_dict().items()
        if name in _ALWAYS or value != defaults[name]
    }
    return " ".join(f"{name}={short(value)}" for name, value in shown.items())


def short(value: Any) -> str:
    """Three significant digits in the fewest letters: 0.05, 1e-3, 200."""
    if isinstance(value, bool) or not isinstance(value, float):
        return str(value)
    plain = f"{value:.3g}"
    digits, _, power = f"{value:.2e}".partition("e")
    digits = digits.rstrip("0").rstrip(".")
    return min(plain, f"{digits}e{int(power)}", key=len)


def file_name(title: str) -> str:
    """`title` with what a file's name or a link may not hold replaced. The end of a long one, or of
    one in which more than colons, spaces and @ is, is a digest, so that no two become one."""
    name = re.sub(r"[^A-Za-z0-9_.=+-]+", "_", title)
    if len(name) <= _LONGEST and name == re.sub(r"[: @]+", "_", title):
        return name
    digest = hashlib.sha256(title.encode()).hexdigest()[:_DIGEST]
    return f"{name[: _LONGEST - _DIGEST - 1]}-{digest}"
