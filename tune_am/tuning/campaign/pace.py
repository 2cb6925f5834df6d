"""How long a campaign's re-scoring will take, at the pace of its trials."""

from __future__ import annotations

from collections.abc import Mapping

from tune_am.am.score import SAMPLE_STEPS_PER_SECOND
from tune_am.am.settings import Settings
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign.rescoring import shared_by, starts_of
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.finalists import Candidate
from tune_am.tuning.record import Record

# Seconds until the processes that score again have loaded PyTorch and the pack.
STARTING = 10.0


def rescoring_seconds(units: Mapping[str, Unit], budget: Budget) -> float:
    """What of a time budget must be kept, as things stand; 0 before there is a pace.

    A unit without a score counts as if it were best at its first report: what it is to have is
    reckoned while it runs (`CampaignScheduler`).
    """
    scored = [record for unit in units.values() for record in unit.ledger.scored]
    if not scored:
        return 0.0
    # A worker's own time, so that it does not matter how long the workers took to start.
    seconds = sum(ascending_seconds(record, budget.plan.starts) for record in scored)
    pace = seconds / sum(record.step for record in scored)  # of all starts, for a step
    share = starts_of(budget.plan) / budget.plan.starts
    return STARTING + share * _steps(units, budget.plan.report_points[0]) * pace / budget.workers


def ascending_seconds(record: Record, starts: int) -> float:
    """What a worker spent in a trial, scoring at report points included."""
    return starts * record.step / max(record.reports[-1][SAMPLE_STEPS_PER_SECOND], 1e-9)


def _steps(units: Mapping[str, Unit], fewest: int) -> int:
    """Steps of scoring each unit's best again and of its random classifier, which some
    share."""
    steps = 0
    shared: dict[tuple[str, Settings, int], int] = {}
    for unit in units.values():
        if (best := unit.ledger.best) is None:
            steps += fewest
            continue
        chosen = Candidate.of(best)
        steps += chosen.step
        shared[shared_by(unit, chosen)] = chosen.step
    return steps + sum(shared.values())
