"""Reports of trials that never ran."""

from __future__ import annotations

from tune_am.tuning.trial import METRICS


def report(step: int, fid: float, **metrics: float) -> dict[str, float]:
    """What a trial reports at `step`."""
    given = {"step": step, "activation_fid": fid, "activation_fid_now": fid, "best_step": step}
    return {**dict.fromkeys(METRICS, 0.0), **given, **metrics}
