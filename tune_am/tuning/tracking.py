"""MLflow's copy of a search: a parent run for the search, a child for each trial."""

from __future__ import annotations

import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tune_am.errors import UserError
from tune_am.tuning import environment
from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import Record

EXPERIMENT = "tune-am"  # unless MLFLOW_EXPERIMENT_NAME says otherwise

# Tags. The first two find a run again after a resume, the last says how a trial ended.
SEARCH, TRIAL, OUTCOME = "tune_am.search", "tune_am.trial", "outcome"
NEURON = "neuron"

# Tags of a search that its trials have too, so that runs of either kind can be filtered by them.
SHARED = (NEURON, "direction", "objective", "pack", "pack.hash", "prior", "space")

INTERRUPTED = "interrupted"
_PARENT = "mlflow.parentRunId"

Key = tuple[str, int]  # of a trial: `Record.key`

HEALTH_SECONDS = 5
CLOSE_SECONDS = 60


def default_uri(asked: str | None, run_folder: Path) -> str:
    """Where to log: as asked, else as the environment says, else one database beside the run
    folders, so that runs can be compared."""
    database = run_folder.absolute().parent / "mlflow.db"
    return asked or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database}"


def ui_command(uri: str) -> str:
    """What a user types to look at the runs, or the address to open."""
    return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def check_server(uri: str) -> None:
    """Raise `UserError` within seconds when `uri` is a server that does not answer."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=HEALTH_SECONDS):
            pass
    except urllib.error.HTTPError:
        pass  # something answers; a proxy may hide /health
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"no MLflow server answers at {uri} ({reason}); start it or drop --mlflow-uri and "
            f"MLFLOW_TRACKING_URI"
        ) from None


class Tracking:
    """Follows a search (`searcher.Listener`) and logs it from a thread of its own.

    The driver's loop only puts what happened into a queue. When MLflow fails midway the search goes
    on: `trouble` is called once, and what is missing is logged after a resume, from the ledger.
    """

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri = uri
        self.experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        self.run_id = ""
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._children: dict[Key, str] = {}
        self._logged: dict[Key, int] = {}  # trial -> last step in MLflow
        self._trouble: Callable[[str], None] = lambda message: None
        self._title: Callable[[Record], str] = lambda record: str(record.number)
        self._shared: dict[str, str] = {}
        self._broken = False
        try:
            self._connect(artifacts)
        except Exception as error:
            raise UserError(f"MLflow at {uri} cannot be used: {_first_line(error)}") from None

    def _connect(self, artifacts: Path) -> None:
        environment.prepare()
        from mlflow import MlflowClient  # seconds; reads the environment

        self._client = MlflowClient(tracking_uri=self.uri)
        found = self._client.get_experiment_by_name(self.experiment)
        if found is not None:
            self._experiment_id = found.experiment_id
            return
        # A database's own default is ./mlruns of wherever the command runs.
        local = artifacts.absolute().as_uri() if self.uri.startswith("sqlite") else None
        self._experiment_id = self._client.create_experiment(self.experiment, local)

    def begin(
        self,
        search: str,
        name: str,
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
        ledger: Trials,
        title: Callable[[Record], str],
        trouble: Callable[[str], None],
    ) -> None:
        """Open the run called `name` of the search with this id, or the one that it had before, and
        log what it lacks. title: what a trial's run is called."""
        self._trouble, self._title = trouble, title
        self._shared = {key: str(tags[key]) for key in SHARED if key in tags}
        try:
            found = self._find({SEARCH: search})
            if found:
                self.run_id = found[0].info.run_id
                self._client.update_run(self.run_id, status="RUNNING")
            else:
                run = self._client.create_run(
                    self._experiment_id,
                    run_name=name,
                    tags={SEARCH: search, **{key: str(value) for key, value in tags.items()}},
                )
                self.run_id = run.info.run_id
                self._log(self.run_id, params=params)
            ended: set[Key] = set()
            neurons = {record.neuron for record in ledger.records}  # that of a single search is ""
            for child in self._find({_PARENT: self.run_id}):
                tags = child.data.tags
                neuron = tags.get(NEURON, "")
                key = neuron if neuron in neurons else "", int(tags[TRIAL])
                self._children[key] = child.info.run_id
                self._logged[key] = int(child.data.metrics.get("step", 0))
                if tags.get(OUTCOME) not in (None, INTERRUPTED):
                    ended.add(key)
            for record in ledger.records:
                self._catch_up(record, record.key in ended)
        except Exception as error:
            raise UserError(f"MLflow at {self.uri} cannot be used: {_first_line(error)}") from None
        self._thread.start()

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
        self._queue.put(lambda: self._client.set_terminated(self.run_id, status))
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._trouble(f"MLflow at {self.uri} is slow: not all is logged")

    def attach(
        self,
        files: Iterable[tuple[Path, str | None]],
        table: tuple[str, Mapping[str, list[Any]]],
        pictures: tuple[str, Iterable[tuple[Key, Any]]],
    ) -> bool:
        """Log what a search left, once it is closed; in place of what it left before.

        files: files and folders, each with the folder of the run's artifacts that it goes into.
        table: its name and columns. pictures: their name, and for trials, by key, an image.
        False if MLflow failed, as `trouble` was told.
        """
        if self._broken:
            return False
        try:
            for path, place in files:
                log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
                log(self.run_id, str(path), place)
            self._log_table(*table)
            name, images = pictures
            for key, image in images:
                self._client.log_image(self._children[key], image, artifact_file=name)
        except Exception as error:
            self._trouble(
                f"MLflow at {self.uri} failed ({_first_line(error)}): its run lacks files, the run "
                f"folder has them"
            )
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
            if self._broken:
                continue
            try:
                job()
            except Exception as error:
                self._broken = True
                self._trouble(
                    f"MLflow at {self.uri} failed ({_first_line(error)}): the search goes on, "
                    f"its run folder keeps all"
                )

    def _catch_up(self, record: Record, ended: bool) -> None:
        if record.key not in self._children or not ended:
            self._start(record)
            self._report(record)
            if record.outcome is not None:
                self._end(record)

    def _start(self, record: Record) -> None:
        if record.key in self._children:
            self._client.update_run(self._children[record.key], status="RUNNING")
            return
        neuron = {NEURON: record.neuron} if record.neuron else {}  # a campaign's is a selection
        run = self._client.create_run(
            self._experiment_id,
            run_name=self._title(record),
            tags={_PARENT: self.run_id, TRIAL: str(record.number), **self._shared, **neuron},
        )
        self._children[record.key] = run.info.run_id
        self._logged[record.key] = 0
        self._log(run.info.run_id, params=record.settings.to_dict())

    def _report(self, record: Record) -> None:
        for metrics in record.reports:
            step = int(metrics["step"])
            if step > self._logged[record.key]:
                self._log(self._children[record.key], metrics=metrics, step=step)
                self._logged[record.key] = step

    def _end(self, record: Record) -> None:
        run_id = self._children[record.key]
        assert record.outcome is not None
        self._client.set_terminated(run_id, "FAILED" if record.outcome == "failed" else "FINISHED")
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


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
