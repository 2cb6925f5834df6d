"""Ray Tune's way to the ledger: what to run next, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from tune_am.am.score import COLLAPSE, STEP
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import (
    DIVERGED,
    FAILED,
    FINISHED,
    STOPPED_EARLY,
    Listener,
    has_diverged,
)
from tune_am.tuning.space import Space, SpaceError
from tune_am.tuning.trial import NUMBER, REPORTED, SETTINGS, TASK, reported
from tune_am.tuning.trial_state import drop_ascent, state_file


class Proposer(Searcher):
    """What the searchers are to Ray Tune: all that they know is on disk already, and where the
    space refuses to be drawn from no more trials are begun.

    refused: what it said then.
    """

    refused: SpaceError | None = None

    def suggest(self, trial_id: str) -> Any:
        try:
            return self.propose(trial_id)
        except SpaceError as error:
            self.refused = error
            return Searcher.FINISHED

    def propose(self, trial_id: str) -> dict[str, Any]:
        """The config of the next trial. Raises `SpaceError`."""
        raise NotImplementedError

    def save(self, checkpoint_path: str) -> None:
        pass


class LedgerSearcher(Proposer):
    """Proposes first the trials that a stop left unfinished, then new ones of TPE.

    In place of Ray's `OptunaSearch`, of which nothing would be left: it tells trials that ASHA
    stopped as complete, numbers reports by calls rather than by steps, ignores points for a
    define-by-run space, refuses a NaN and leaves a zombie, shares one study name among all
    searches, and keeps its history in a pickle.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: Space,
        task: dict[str, Any],
        listeners: Sequence[Listener] = (),
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._space = space
        self._task = task
        self._max_steps = task["plan"]["report_points"][-1]
        self._listeners = listeners
        self._waiting = ledger.unfinished
        self._numbers: dict[str, int] = {}  # Ray's trial id -> number

    @property
    def waiting(self) -> bool:
        """Whether trials that a stop left unfinished wait for a worker."""
        return bool(self._waiting)

    def propose(self, trial_id: str) -> dict[str, Any]:
        record = self._waiting.pop(0) if self._waiting else self._ledger.ask(self._space)
        self._numbers[trial_id] = record.number
        for listener in self._listeners:
            listener.trial_started(record)
        return {
            TASK: self._task,
            NUMBER: record.number,
            REPORTED: record.step,
            SETTINGS: record.settings.to_dict(),
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._write(trial_id, self._metrics(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        if error or not result:
            self._write(trial_id, None, FAILED)
            return
        metrics = self._metrics(result)
        if has_diverged(metrics):
            outcome = DIVERGED
        else:
            outcome = FINISHED if metrics[STEP] >= self._max_steps else STOPPED_EARLY
        self._write(trial_id, metrics, outcome)

    def _write(
        self, trial_id: str, metrics: dict[str, float] | None, outcome: str | None = None
    ) -> None:
        number = self._numbers[trial_id]
        before = self._ledger[number]
        if not self._ledger.write(number, metrics, outcome):
            return
        after = self._ledger[number]
        if after.outcome is not None:  # until the ledger has it a resume goes on from the ascent
            drop_ascent(state_file(self._task["folder"], number))
        for listener in self._listeners:
            if after.step > before.step:
                listener.trial_reported(after)
            if after.outcome is not None:
                listener.trial_ended(after)

    def _metrics(self, result: dict[str, Any]) -> dict[str, float]:
        names = (*reported(self._ledger.objective), COLLAPSE)
        return {name: float(result[name]) for name in names if name in result}
