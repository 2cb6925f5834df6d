"""Ray Tune's way to the ledgers of a campaign: which neuron is next, and with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tune_am.tuning.campaign.pool import Pool
from tune_am.tuning.campaign.rules import SAMPLED_EVERY, next_neuron
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.record import Listener
from tune_am.tuning.searcher import LedgerSearcher, Proposer
from tune_am.tuning.space import Space

# Units on which each point of the space is tried where nothing better is known yet.
POINT_UNITS = 3


class CampaignSearcher(Proposer):
    """Sends each trial to the searcher of its own unit.

    First the trials that a stop left unfinished; then `rules.next_neuron` says which unit is to
    have the next one. Most of a unit's trials are what proved best on others, the rest proposals of
    a sampler, both by the `Pool`.
    """

    def __init__(
        self,
        units: Mapping[str, Unit],
        space: Space,
        seed: int,
        listeners: Sequence[Listener] = (),
    ) -> None:
        super().__init__()
        self.units, self.space = units, space
        self._pool = Pool(list(units.values()), space, seed)
        self._searchers = {
            name: LedgerSearcher(unit.ledger, space, unit.task, listeners)
            for name, unit in units.items()
        }
        self._homes: dict[str, LedgerSearcher] = {}  # Ray's trial id -> its unit's searcher

    def propose(self, trial_id: str) -> dict[str, Any]:
        name = next((name for name, one in self._searchers.items() if one.waiting), None)
        if name is None:
            name = self.next_unit()
            self.enqueue(self.units[name])
        self._homes[trial_id] = self._searchers[name]
        return self._homes[trial_id].propose(trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._homes[trial_id].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        self._homes[trial_id].on_trial_complete(trial_id, result, error)
        del self._homes[trial_id]

    def next_unit(self) -> str:
        """The name of the unit that is to have the next trial."""
        return next_neuron({name: unit.course for name, unit in self.units.items()})

    def enqueue(self, unit: Unit) -> None:
        """Write into the ledger of `unit` what it is to try next."""
        unit.ledger.enqueue((self._point(unit),))

    def _point(self, unit: Unit) -> dict[str, Any]:
        tried = [record.params for record in unit.ledger.records]
        if len(tried) % SAMPLED_EVERY == SAMPLED_EVERY - 1:
            return self._pool.propose(unit)
        proven = self._pool.proven(unit) if tried else None  # all begin alike, to be compared
        return proven or self._named(tried) or self._pool.propose(unit)

    def _named(self, tried: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """A point of the space that too few units have tried."""
        everywhere = [r.params for unit in self.units.values() for r in unit.ledger.records]
        for point in self.space.points:
            if any(_is(point, params) for params in tried):
                continue
            if not tried or sum(_is(point, params) for params in everywhere) < POINT_UNITS:
                return point
        return None


def _is(point: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether the trial of `params` was that of `point`, which may leave some of them open."""
    return point.items() <= params.items()
