"""The stopping rules by the names of `--scheduler`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tune_am.tuning.early_stopping.asha import Asha
from tune_am.tuning.early_stopping.hyperband import Hyperband
from tune_am.tuning.early_stopping.median import Median
from tune_am.tuning.early_stopping.stopping_rule import StoppingRule

_RULES: dict[str, Callable[[Sequence[int]], StoppingRule] | None] = {
    "asha": Asha,
    "hyperband": Hyperband,
    "median": Median,
    "none": None,
}


def stopping_rule(name: str, report_points: Sequence[int]) -> StoppingRule | None:
    """The rule called `name`; None where every trial runs to its end."""
    rule = _RULES[name]
    return None if rule is None else rule(report_points)
