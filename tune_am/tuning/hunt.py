"""What a session runs: the search on one neuron, or a campaign over several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tune_am.counting import counted
from tune_am.tuning import account, artifacts, result
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.job import Job
from tune_am.tuning.ledger import Ledger, Trials
from tune_am.tuning.progress import Progress
from tune_am.tuning.record import Listener
from tune_am.tuning.rescore import (
    Rescored,
    candidates,
    control_rows,
    eighths,
    rescore,
    tasks_of,
)
from tune_am.tuning.run import Halt, run_trials
from tune_am.tuning.task import task

if TYPE_CHECKING:
    from PIL.Image import Image

    from tune_am.tuning.tracking import Key


class Hunt(Protocol):
    """The trials of a job, how they are run, and what they come to."""

    job: Job
    notes: Ledger  # keeps facts of the whole

    @property
    def trials(self) -> Trials: ...

    def reserve(self) -> float:
        """Seconds of a time budget that are to be kept for what follows the trials."""

    def run(
        self, halt: Halt, listeners: Sequence[Listener], told: Callable[[str], None]
    ) -> list[str]:
        """Run what is left of the trials; the traceback of each that failed. told: hears why."""

    def score_again(self, view: Progress, halt: threading.Event) -> None:
        """Score the best on fresh starts, and take the controls."""

    def write(self, seconds: float, mlflow: dict[str, str]) -> dict[str, Any]:
        """Write the result; the content of result.json."""

    def summary(self, content: dict[str, Any]) -> str:
        """The result on one screen."""

    def metrics(self, content: dict[str, Any]) -> dict[str, float]:
        """The metrics of the whole in MLflow."""

    def report(self) -> Path:
        """Write the page about the result. Raises `UserError`."""

    def files(self, content: dict[str, Any]) -> Iterator[tuple[Path, str | None]]:
        """For MLflow: files and folders, each with the folder that it goes into."""

    def table(self, content: dict[str, Any]) -> Mapping[str, list[Any]]:
        """For MLflow: all trials, as columns."""

    def pictures(self) -> Iterator[tuple[Key, Image]]:
        """For MLflow: pictures of trials."""


class Single:
    """The search on one neuron."""

    def __init__(self, job: Job) -> None:
        self.job = job
        plan, folder, seed = job.budget.plan, job.folder, job.config.seed
        self.notes = Ledger(
            folder.journal, job.title, seed, plan.scored_by, sampler=job.config.sampler
        )
        self._task = task(job.pack, plan, folder.trials, job.config.trust_code)
        self._rows: list[Rescored] | None = None
        self._controls: dict[str, Any] | None = None

    @property
    def trials(self) -> Ledger:
        return self.notes

    def reserve(self) -> float:
        return 0.0

    def run(
        self, halt: Halt, listeners: Sequence[Listener], told: Callable[[str], None]
    ) -> list[str]:
        job = self.job
        self.trials.enqueue(job.space.points[: job.budget.trials])
        place = job.folder.ray
        return run_trials(
            self.trials, job.space, job.budget, self._task, place, halt, listeners, told
        )

    def score_again(self, view: Progress, halt: threading.Event) -> None:
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

    def write(self, seconds: float, mlflow: dict[str, str]) -> dict[str, Any]:
        job, rows = self.job, self._rows
        content = result.build(
            self.trials,
            job.budget,
            job.pack,
            job.space.name,
            seconds,
            rows,
            self._controls,
            mlflow,
        )
        if rows:
            result.save_best(job.folder.best, rows[0], job.pack)
        job.folder.write_json(job.folder.result, content)
        return content

    def summary(self, content: dict[str, Any]) -> str:
        return result.summary(content)

    def metrics(self, content: dict[str, Any]) -> dict[str, float]:
        return account.metrics(content)

    def report(self) -> Path:
        return artifacts.write_report(self.job.folder, self.job.config.trust_code)

    def files(self, content: dict[str, Any]) -> Iterator[tuple[Path, str | None]]:
        job = self.job
        return artifacts.files(job.folder, job.pack, job.budget.plan, content["best"])

    def table(self, content: dict[str, Any]) -> Mapping[str, list[Any]]:
        return result.columns(content["trials"])

    def pictures(self) -> Iterator[tuple[Key, Image]]:
        for number, image in artifacts.pictures(self.job.folder, self.job.pack):
            yield ("", number), image
