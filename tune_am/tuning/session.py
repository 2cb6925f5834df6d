"""One search from what was asked to its result."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tune_am.tuning import account, cluster, progress, result, tracking
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.job import Job, prepare
from tune_am.tuning.ledger import Ledger, Record
from tune_am.tuning.metrics import SearchMetrics
from tune_am.tuning.rescore import candidates, control_rows, rescore
from tune_am.tuning.run import Halt, run_trials
from tune_am.tuning.searcher import Listener
from tune_am.tuning.trial import task

INTERRUPTED = 130  # exit status, as of a shell for SIGINT

_SECONDS = "seconds"  # the ledger's note of how long the search has run, over all sessions


def search(config: SearchConfig, given: frozenset[str], command: str) -> int:
    """Run the search that `config` asks for, or go on with it; the exit status."""
    begun = time.monotonic()
    job = prepare(config, given, command)
    if not job.fresh and (done := _complete(job)) is not None:
        print(
            json.dumps({"event": "result", "result": done}) if config.json else result.summary(done)
        )
        return 0
    artifacts = job.folder.path.parent / "mlflow-artifacts"
    try:
        with ThreadPoolExecutor(1) as threads:  # both take seconds, mostly of waiting
            connecting = threads.submit(tracking.Tracking, job.tracking_uri, artifacts)
            dashboard = cluster.start(job.budget.workers, job.budget.gpus, job.config.ray_address)
        log = connecting.result()
        if job.fresh:
            job.folder.create(account.asked(job), job.space.source)
        with job.folder:
            return _run(job, log, dashboard, begun)
    except KeyboardInterrupt:
        if job.folder.exists():
            print(f"\nStopped at once. To go on: {job.resume_command}")
        return INTERRUPTED
    finally:
        cluster.stop()


def _run(job: Job, log: tracking.Tracking, dashboard: str | None, begun: float) -> int:
    config, budget, folder = job.config, job.budget, job.folder
    ledger = Ledger(folder.journal, job.title, config.seed)
    ledger.enqueue(job.space.points[: budget.trials])
    clock = _Clock(ledger, begun)
    work = task(job.pack, budget.plan, folder.trials, config.trust_code)
    view = progress.stdout_view(config.quiet, config.json, ledger, budget.trials)
    rows = controls = None
    live = SearchMetrics(budget.plan, budget.trials, ledger)
    with _stopping(view) as halt, live:
        log.begin(
            job.id,
            folder.path.name,
            account.params(job),
            account.tags(job),
            ledger,
            trouble=lambda message: view.event("trouble", message, {"message": message}),
        )
        facts = account.facts(job, log, dashboard)
        view.event("start", account.opening(job, log, dashboard), facts)
        with view:
            stop = Halt(halt, config.time_budget)
            follow: list[Listener] = [view, log, live, clock]
            errors = run_trials(ledger, job.space, budget, work, folder.ray, stop, follow)
        if errors:
            folder.errors.write_text("\n".join(errors), encoding="utf-8")
            last = errors[-1].strip().splitlines()[-1]
            text = f"{len(errors)} trials failed, see {folder.errors}: {last}"
            view.event("trouble", text, {"message": text})
        if ledger.scored and not halt.is_set():
            best = candidates(ledger.scored)
            text = f"Scoring the best {len(best)} settings again on {RESCORE_STARTS} fresh starts"
            view.event("rescore", text, {"settings": len(best), "starts": RESCORE_STARTS})
            rows = rescore(best, work, budget, job.pack, halt)
            if rows is not None:
                controls = control_rows(rows[0].candidate, work, budget, halt)
        stopped = halt.is_set()
    clock.note()
    where = {"tracking_uri": log.uri, "experiment": log.experiment, "run_id": log.run_id}
    content = result.build(
        ledger, budget, job.pack, job.space.name, clock.seconds, rows, controls, where
    )
    if rows:
        result.save_best(folder.best, rows[0], job.pack)
    folder.write_json(folder.result, content)
    log.close(account.metrics(content), "KILLED" if stopped else "FINISHED", ledger.unfinished)
    if config.json:
        view.event("result", "", {"path": str(folder.result), "result": content})
    else:
        print(result.summary(content))
        print(account.closing(job, log))
    if stopped:
        resume = job.resume_command
        view.event("stopped", f"Stopped. To go on: {resume}", {"resume": resume})
        return INTERRUPTED
    return 0 if ledger.scored else 1


def _complete(job: Job) -> dict[str, Any] | None:
    """The result of a search that has nothing left to do."""
    with job.folder:
        records = Ledger(job.folder.journal, job.title, job.config.seed).records
    try:
        content: dict[str, Any] = json.loads(job.folder.result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ended = sum(record.outcome is not None for record in records)
    same = content.get("complete") and content.get("trials_total") == len(records)
    return content if same and ended >= job.budget.trials else None


class _Clock:
    """Keeps in the ledger how long the search has run, so that a kill loses little of it."""

    def __init__(self, ledger: Ledger, begun: float) -> None:
        self._ledger, self._begun = ledger, begun
        self._before = ledger.noted(_SECONDS, 0.0)

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun

    def note(self) -> None:
        self._ledger.note(_SECONDS, self.seconds)

    def trial_started(self, record: Record) -> None:
        pass

    def trial_reported(self, record: Record) -> None:
        pass

    def trial_ended(self, record: Record) -> None:
        self.note()


@contextmanager
def _stopping(view: progress.Progress) -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, as does a polite kill; a second one ends the process at once."""
    halt = threading.Event()

    def stop(signum: int, frame: Any) -> None:
        if halt.is_set():
            raise KeyboardInterrupt
        halt.set()

    def announce() -> None:  # in a thread: a signal may come in the middle of a print
        halt.wait()
        view.event("stopping", "Stopping: running trials end their step; Ctrl-C again leaves now")

    threading.Thread(target=announce, daemon=True).start()
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield halt
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
