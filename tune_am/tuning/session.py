"""One search from what was asked to its result: what the command and the library share."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tune_am.errors import UserError
from tune_am.tuning import account, artifacts, cluster, environment, result, tracking
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.job import Job, prepare
from tune_am.tuning.label import trial_title
from tune_am.tuning.ledger import Ledger, Record
from tune_am.tuning.metrics import SearchMetrics
from tune_am.tuning.progress import Progress
from tune_am.tuning.rescore import candidates, control_rows, rescore
from tune_am.tuning.run import Halt, run_trials
from tune_am.tuning.searcher import Listener
from tune_am.tuning.stopping import handlers_kept, stopping
from tune_am.tuning.trial import task
from tune_am.tuning.views import View, stdout_view

INTERRUPTED = 130  # exit status, as of a shell for SIGINT

# The ledger's notes: how long the search has run, over all sessions; and that its report is made
# and MLflow has what there is to look at.
_SECONDS, _SHOWN = "seconds", "shown"

_BUSY = threading.Lock()  # a process has one Ray, one screen and one Ctrl-C


@dataclass(frozen=True)
class Ended:
    """A search that has ended. content: of result.json, in part only where it was stopped, by the
    signal `signal` or, if that is None, by its caller."""

    folder: RunFolder
    content: dict[str, Any]
    stopped: bool = False
    signal: int | None = None


class StoppedAtOnce(KeyboardInterrupt):
    """A second Ctrl-C. resume: how to go on; None before there is anything to go on with."""

    def __init__(self, resume: str | None) -> None:
        super().__init__(f"to go on: {resume}" if resume else "")
        self.resume = resume


def command(config: SearchConfig, given: frozenset[str], line: str) -> int:
    """`search` as the command `line`: prints what `config` asks for; the exit status."""
    view = stdout_view(config.quiet, config.json)
    try:
        ended = search(config, given, line, view)
    except StoppedAtOnce as stop:
        if stop.resume is not None:
            print(f"\nStopped at once. To go on: {stop.resume}")
        return INTERRUPTED
    if ended.stopped:
        return INTERRUPTED
    return 0 if ended.content["best"] is not None else 1


def search(
    config: SearchConfig,
    given: frozenset[str],
    line: str,
    view: View,
    cancelled: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run the search that `config` asks for, or go on with it.

    given: the fields that were asked for, not left at their defaults. line: what to type for the
    same. cancelled: is asked several times a second, and stops the search as Ctrl-C does. A Ray
    that runs in this process is used, and left running. Raises `UserError`; `StoppedAtOnce`.
    """
    if not _BUSY.acquire(blocking=False):
        raise UserError(
            "a search is running in this process: wait for its end, or use another process"
        )
    try:
        with environment.prepared(), handlers_kept():
            return _search(config, given, line, view, cancelled)
    finally:
        _BUSY.release()


def _search(
    config: SearchConfig,
    given: frozenset[str],
    line: str,
    view: View,
    cancelled: Callable[[], bool],
) -> Ended:
    begun = time.monotonic()
    job = prepare(config, given, line)
    if not job.fresh and (done := _complete(job, view)) is not None:
        return done
    ours = not cluster.running()
    try:
        with ThreadPoolExecutor(1) as threads:  # both take seconds, mostly of waiting
            connecting = threads.submit(tracking.Tracking, job.tracking_uri, job.artifact_store)
            dashboard = cluster.start(job.budget.workers, job.budget.gpus, job.config.ray_address)
        log = connecting.result()
        if job.fresh:
            job = job.begin(account.asked(job))
        with job.folder:
            return _run(job, log, dashboard, begun, view, cancelled)
    except KeyboardInterrupt:
        raise StoppedAtOnce(job.resume_command if job.folder.exists() else None) from None
    finally:
        if ours:
            cluster.stop()


def _run(
    job: Job,
    log: tracking.Tracking,
    dashboard: str | None,
    begun: float,
    make_view: View,
    cancelled: Callable[[], bool],
) -> Ended:
    config, budget, folder = job.config, job.budget, job.folder
    ledger = Ledger(folder.journal, job.title, config.seed, budget.plan.scored_by)
    ledger.enqueue(job.space.points[: budget.trials])
    clock = _Clock(ledger, begun)
    work = task(job.pack, budget.plan, folder.trials, config.trust_code)
    view = make_view(ledger, budget.trials)
    rows = controls = None
    live = SearchMetrics(budget.plan, budget.trials, ledger)
    with stopping(view, cancelled) as (halt, caught), live:
        _follow(job, log, ledger, view)
        facts = account.facts(job, log, dashboard)
        view.event("start", account.opening(job, log, dashboard), facts)
        with view:
            stop = Halt(halt, config.time_budget)
            follow: list[Listener] = [view, log, live, clock]
            if cancelled():  # before Ray makes workers for nothing
                halt.set()
            errors = (
                []
                if halt.is_set()
                else run_trials(ledger, job.space, budget, work, folder.ray, stop, follow)
            )
        if errors:
            folder.errors.write_text("\n".join(errors), encoding="utf-8")
            last = errors[-1].strip().splitlines()[-1]
            _trouble(view, f"{len(errors)} trials failed, see {folder.errors}: {last}")
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
    text = f"{result.summary(content)}\n{account.closing(job, log)}"
    view.event("result", text, {"path": str(folder.result), "result": content})
    if content["complete"]:
        _show(job, log, ledger, view, content)
    if stopped:
        resume = job.resume_command
        view.event("stopped", f"Stopped. To go on: {resume}", {"resume": resume})
    return Ended(folder, content, stopped, caught[0] if caught else None)


def _follow(job: Job, log: tracking.Tracking, ledger: Ledger, view: Progress) -> None:
    """Open the search's run in MLflow, and log what it lacks."""
    log.begin(
        job.id,
        job.folder.path.name,
        account.params(job),
        account.tags(job),
        ledger,
        title=lambda record: trial_title(job.budget.plan, record.settings),
        trouble=lambda message: _trouble(view, message),
    )


def _trouble(view: Progress, text: str) -> None:
    view.event("trouble", text, {"message": text})


def _show(
    job: Job, log: tracking.Tracking | None, ledger: Ledger, view: Progress, content: dict[str, Any]
) -> None:
    """Write the report, and give MLflow what there is to look at. Neither can fail a search; what
    could not be done, or was cut short, is done by a resume. log: None if there is none yet."""
    whole = True
    if not job.config.no_report:
        try:
            page = artifacts.write_report(job.folder, job.config.trust_code)
            view.event("report", f"Report:   {page}", {"path": str(page)})
        except Exception as error:
            whole = False
            _trouble(view, f"no report: {error}")
    try:
        images = list(artifacts.pictures(job.folder, job.pack))
    except Exception as error:  # inputs that nothing can draw
        images = []
        _trouble(view, f"no pictures of trials: {error}")
    try:
        if log is None:
            log = tracking.Tracking(job.tracking_uri, job.artifact_store)
            _follow(job, log, ledger, view)
            log.close(account.metrics(content), "FINISHED", [])
    except UserError as error:
        _trouble(view, str(error))
        return
    whole &= log.attach(
        artifacts.files(job.folder, job.pack, job.budget.plan, content["best"]),
        (artifacts.TABLE, artifacts.table(content)),
        (artifacts.PICTURE, images),
    )
    if whole:
        ledger.note(_SHOWN, True)


def _complete(job: Job, make_view: View) -> Ended | None:
    """A search that has no trial left to run, told again; what it did not come to show is made."""
    try:
        content: dict[str, Any] = json.loads(job.folder.result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    with job.folder:
        ledger = Ledger(job.folder.journal, job.title, job.config.seed, job.budget.plan.scored_by)
        ended = sum(record.outcome is not None for record in ledger.records)
        same = content.get("complete") and content.get("trials_total") == len(ledger.records)
        if not same or ended < job.budget.trials:
            return None
        view = make_view(ledger, job.budget.trials)
        facts = {"path": str(job.folder.result), "result": content}
        view.event("result", result.summary(content), facts)
        if not ledger.noted(_SHOWN, False):
            _show(job, None, ledger, view, content)
    return Ended(job.folder, content)


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
