"""MLflow's copy of a search: a parent run for the search, a child for each trial."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tune_am.am.score import STEP
from tune_am.errors import first_line, reason
from tune_am.naming import option
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import FAILED, Listener, Record
from tune_am.tuning.tracking.store import connect, redacted, unusable

# Tags. The first two find a run again after a resume, the last says how a trial ended.
SEARCH, TRIAL, OUTCOME = "tune_am.search", "tune_am.trial", "outcome"
NEURON, FOLDER = "neuron", "folder"

# Tags of a search that its trials have too, so that runs of either kind can be filtered by them.
SHARED = (NEURON, "direction", "objective", "pack", "pack.hash", "prior", "space")

INTERRUPTED = "interrupted"
_PARENT = "mlflow.parentRunId"

Key = tuple[str, int]  # of a trial: `Record.key`
_T = TypeVar("_T")

CLOSE_SECONDS = 60
LEAVE_SECONDS = 2  # that a search which is to end at once waits for MLflow
RETRY_SECONDS = 20  # between two looks at whether an MLflow that failed answers again


class Tracking(Listener):
    """Logs a search from a thread of its own.

    The driver's loop only puts what happened into a queue. When MLflow fails midway the search goes
    on and the queue waits until MLflow answers again: `trouble` is called once. What is missing at
    the end is logged after a resume, from the ledger.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri = uri
        self._client, experiment = connect(uri, artifacts)
        self.experiment, self._experiment_id = experiment.name, experiment.experiment_id
        self.run_id = ""
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._children: dict[Key, str] = {}
        self._logged: dict[Key, int] = {}  # trial -> last step in MLflow
        self._closing = threading.Event()
        self._failed = False
        self._whole = True  # nothing was given up

    def begin(
        self,
        search: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
        ledger: Trials,
        title: Callable[[Record], str],
        trouble: Callable[[str], None],
        several: bool = False,
    ) -> None:
        """Open the run called `name` of the search with this id, or the one that it had before, and
        log what it lacks. title: what a trial's run is called. several: whether its records name
        neurons of their own, as those of a campaign do."""
        self._trouble, self._title, self._several = trouble, title, several
        self._shared = {key: str(tags[key]) for key in SHARED if key in tags}
        try:
            found = _of_folder(self._find({SEARCH: search}), str(tags[FOLDER]))
            if found is not None:
                self.run_id = found.info.run_id
                self._client.update_run(self.run_id, status="RUNNING")
                self._client.set_tag(self.run_id, FOLDER, tags[FOLDER])  # it may have been moved
            else:
                run = self._client.create_run(
                    self._experiment_id,
                    run_name=name,
                    tags={SEARCH: search, **{key: str(value) for key, value in tags.items()}},
                )
                self.run_id = run.info.run_id
                self._log(self.run_id, params=params)
            ended = self._find_children()
            for record in ledger.records:
                self._catch_up(record, record.key in ended)
        except Exception as error:
            raise unusable(self.uri, error) from None
        self._thread.start()

    def _find_children(self) -> set[Key]:
        """Note the runs of trials that MLflow has; those that have ended."""
        ended: set[Key] = set()
        for child in self._find({_PARENT: self.run_id}):
            tags = child.data.tags
            key = tags.get(NEURON, "") if self._several else "", int(tags[TRIAL])
            self._children[key] = child.info.run_id
            if child.data.params:
                self._logged[key] = int(child.data.metrics.get(STEP, 0))
            if tags.get(OUTCOME) not in (None, INTERRUPTED):
                ended.add(key)
        return ended

    def trial_started(self, record: Record) -> None:
        self._queue.put(lambda: self._start(record))

    def trial_reported(self, record: Record) -> None:
        self._queue.put(lambda: self._report(record))

    def trial_ended(self, record: Record) -> None:
        self._queue.put(lambda: self._end(record))

    def close(self, metrics: Mapping[str, float], status: str, unfinished: list[Record]) -> None:
        """Log the search's own metrics and end its run, once all before is logged."""
        for record in unfinished:
            self._queue.put(lambda record=record: self._interrupt(record))  # type: ignore[misc]
        self._queue.put(lambda: self._log(self.run_id, metrics=metrics, step=0))
        self._finish(status, CLOSE_SECONDS)
        if self._thread.is_alive():
            self._whole = False
            rest = f"not all is logged; {option('resume')} logs the rest"
            self._trouble(f"MLflow at {redacted(self.uri)} is slow: {rest}")

    def leave(self) -> None:
        """End the search's run at once; what MLflow lacks of it is logged by a resume."""
        self._finish("KILLED", LEAVE_SECONDS)

    def _finish(self, status: str, seconds: float) -> None:
        self._queue.put(lambda: self._client.set_terminated(self.run_id, status))
        self._queue.put(None)
        self._closing.set()
        self._thread.join(seconds)

    def attach(
        self,
        files: Iterable[tuple[Path, str | None]],
        table: tuple[str, Mapping[str, list[Any]]],
        pictures: tuple[str, Iterable[tuple[Key, Any]]],
    ) -> bool:
        """Log what a search left, once it is closed; in place of what it left before.

        files: files and folders, each with the folder of the run's artifacts that it goes into.
        table: name and columns. pictures: their name, and for trials, by key, an image.
        False if they could not be made or MLflow failed, as `trouble` was told.
        """
        if not self._whole:
            return False
        try:
            for path, place in _made(files):
                log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
                log(self.run_id, str(path), place)
            self._log_table(*table)
            name, images = pictures
            for key, image in _made(images):
                self._client.log_image(self._children[key], image, artifact_file=name)
        except _NotMade as error:
            self._trouble(f"MLflow's run lacks files: {error}; {option('resume')} tries again")
            return False
        except Exception as error:
            text = f"its run lacks files, the run folder has them and {option('resume')} logs them"
            self._trouble(f"{self._failure(error)}: {text}")
            return False
        return True

    def _log_table(self, name: str, columns: Mapping[str, list[Any]]) -> None:
        if any(found.path == name for found in self._client.list_artifacts(self.run_id)):
            from pandas import DataFrame  # MLflow's own format; its `log_table` would append

            text = DataFrame(columns).to_json(orient="split", index=False)
            self._client.log_text(self.run_id, text, name)
        else:
            self._client.log_table(self.run_id, dict(columns), name)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except Exception as error:
                self._say(error)
                if not self._again(job):
                    self._whole = False
                    return

    def _again(self, job: Callable[[], None]) -> bool:
        """Do `job` once MLflow answers; False if it does not before the search is over."""
        while True:
            last = self._closing.wait(RETRY_SECONDS)
            try:
                self._find_children()  # one that was made may not have been told
            except Exception:
                if last:
                    return False
                continue
            try:
                job()
            except Exception:  # refused, while MLflow answers: the others are not to wait for it
                self._whole = False
            return True

    def _say(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            later = f"when it answers again, or by {option('resume')} after the end"
            text = f"the search goes on; MLflow gets the rest {later}"
            self._trouble(f"{self._failure(error)}: {text}")

    def _failure(self, error: Exception) -> str:
        return f"MLflow at {redacted(self.uri)} failed ({redacted(first_line(error))})"

    def _catch_up(self, record: Record, ended: bool) -> None:
        if record.key not in self._children or not ended:
            self._start(record)
            self._report(record)
            if record.outcome is not None:
                self._end(record)

    def _start(self, record: Record) -> None:
        key = record.key
        if key in self._children:
            self._client.update_run(self._children[key], status="RUNNING")
        else:
            neuron = {NEURON: record.neuron} if record.neuron else {}  # a campaign's is a selection
            run = self._client.create_run(
                self._experiment_id,
                run_name=self._title(record),
                tags={_PARENT: self.run_id, TRIAL: str(record.number), **self._shared, **neuron},
            )
            self._children[key] = run.info.run_id
        if key not in self._logged:
            self._log(self._children[key], params=record.settings.to_dict())
            self._logged[key] = 0

    def _report(self, record: Record) -> None:
        for metrics in record.reports:
            step = int(metrics[STEP])
            if step > self._logged[record.key]:
                self._log(self._children[record.key], metrics=metrics, step=step)
                self._logged[record.key] = step

    def _end(self, record: Record) -> None:
        run_id = self._children[record.key]
        assert record.outcome is not None
        self._client.set_terminated(run_id, "FAILED" if record.outcome == FAILED else "FINISHED")
        # Last: a resume takes a child that has it for complete.
        self._client.set_tag(run_id, OUTCOME, record.outcome)

    def _interrupt(self, record: Record) -> None:
        run_id = self._children[record.key]
        self._client.set_tag(run_id, OUTCOME, INTERRUPTED)
        self._client.set_terminated(run_id, "KILLED")

    def _log(
        self,
        run_id: str,
        metrics: Mapping[str, float] | None = None,
        params: Mapping[str, Any] | None = None,
        step: int = 0,
    ) -> None:
        """One request, whatever is logged."""
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, now, step) for name, value in (metrics or {}).items()],
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
        )

    def _find(self, tags: Mapping[str, str]) -> list[Any]:
        """Runs of the experiment with these tags, however many pages of them."""
        condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        runs: list[Any] = []
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], condition, max_results=1000, page_token=token
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs


class _NotMade(Exception):
    """Of what was to be logged: no fault of MLflow's."""


def _made(things: Iterable[_T]) -> Iterator[_T]:
    try:
        yield from things
    except Exception as error:
        raise _NotMade(reason(error)) from error


def _of_folder(runs: list[Any], folder: str) -> Any | None:
    """The run that the search in this folder had, wherever the folder was then; None where those
    of its id belong to folders that are still there, of which this one is a copy."""
    for run in runs:
        if run.data.tags.get(FOLDER) == folder:
            return run
    moved = (run for run in runs if not RunFolder(Path(run.data.tags.get(FOLDER, ""))).exists())
    return next(moved, None)
