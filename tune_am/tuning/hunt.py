"""The search on one neuron, as a session runs it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tune_am.counting import counted
from tune_am.tuning import account, result
from tune_am.tuning.clock import Clock
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.finalists import Rescored, candidates
from tune_am.tuning.job import Job
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Listener
from tune_am.tuning.rescore import control_rows, eighths, rescore, tasks_of
from tune_am.tuning.result_format import columns
from tune_am.tuning.run import Halt, run_trials
from tune_am.tuning.task import task
from tune_am.tuning.watching.progress import Progress
from tune_am.tuning.watching.summary import summary


class Single:
    """The search on one neuron: its trials, how they are run, and what they come to."""

    # The result on one screen, and the metrics of the whole in MLflow; both of result.json.
    summary = staticmethod(summary)
    metrics = staticmethod(account.metrics)

    def __init__(self, job: Job) -> None:
        self.job = job
        plan, folder, seed = job.budget.plan, job.folder, job.config.seed
        self.trials = Ledger(
            folder.journal, job.title, seed, plan.scored_by, sampler=job.config.sampler
        )
        self.notes = self.trials  # keeps facts of the whole
        self._task = task(job.pack, plan, folder.trials, job.config.trust_code)
        self._rows: list[Rescored] | None = None
        self._controls: dict[str, Any] | None = None

    def reserve(self) -> float:
        """Seconds of a time budget that are to be kept for what follows the trials."""
        return 0.0

    def run(self, halt: Halt, listeners: Sequence[Listener], view: Progress) -> list[str]:
        """Run what is left of the trials; the traceback of each that failed."""
        job = self.job
        self.trials.enqueue(job.space.points[: job.budget.trials])
        place = job.folder.ray
        return run_trials(
            self.trials, job.space, job.budget, self._task, place, halt, listeners, view.trouble
        )

    def score_again(self, view: Progress, halt: threading.Event) -> None:
        """Score the best on fresh starts, and take the controls."""
        best, job = candidates(self.trials.scored), self.job
        settings = counted(len(best), "setting")
        text = f"Scoring the best {settings} again on {RESCORE_STARTS} fresh starts"
        view.event("rescore", text, {"settings": len(best), "starts": RESCORE_STARTS})
        told, tasks = eighths(view.rescoring), tasks_of(best, job.budget.plan)
        self._rows = rescore(
            best, self._task, job.budget, job.pack, halt, lambda done, _: told(done, tasks)
        )
        if self._rows is not None:
            self._controls = control_rows(
                self._rows[0].candidate,
                self._task,
                job.budget,
                halt,
                lambda done, of: told(tasks - of + done, tasks),
            )

    def write(self, clock: Clock, mlflow: dict[str, str]) -> dict[str, Any]:
        """Write the result; the content of result.json."""
        job, rows = self.job, self._rows
        content = result.build(
            self.trials,
            job.budget,
            job.pack,
            job.space.name,
            clock.seconds,
            rows,
            self._controls,
            mlflow,
        )
        if rows:
            result.save_best(job.folder.best, rows[0], job.pack)
        job.folder.write_result(content)
        return content

    def table(self, content: dict[str, Any]) -> Mapping[str, list[Any]]:
        """All trials, as columns."""
        return columns(content["trials"])
