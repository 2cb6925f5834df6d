"""One search from what was asked to its result: what the command and the library share."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ray.exceptions import RayError
from ray.tune.error import TuneError

from tune_am.command import PIPE_CLOSED
from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.tuning import account, cluster, environment, nodes
from tune_am.tuning.campaign.hunt import Campaign
from tune_am.tuning.clock import Clock
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import GRID
from tune_am.tuning.failure import cause
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.hunt import Single
from tune_am.tuning.interrupt import handlers_kept, stopping
from tune_am.tuning.job import Job, prepare
from tune_am.tuning.record import Listener
from tune_am.tuning.run import Halt, to_run
from tune_am.tuning.showing import SHOWN, Hunt, open_run, show
from tune_am.tuning.tracking import runs, store
from tune_am.tuning.watching.metrics import SearchMetrics
from tune_am.tuning.watching.output import UNREAD
from tune_am.tuning.watching.progress import Progress
from tune_am.tuning.watching.views import View, make

INTERRUPTED = 130  # exit status, as of a shell for SIGINT

_NAMED = 10  # neurons left out that are named

_BUSY = threading.Lock()  # a process has one Ray, one screen and one Ctrl-C


@dataclass(frozen=True)
class Ended:
    """A search that has ended. content: of result.json, in part only where it was stopped, by the
    signal `signal` or, if that is None, by its caller. early: whether it broke off: the space
    refused to go on, or every trial failed."""

    folder: RunFolder
    content: dict[str, Any]
    stopped: bool = False
    signal: int | None = None
    early: bool = False


class StoppedAtOnce(KeyboardInterrupt):
    """A second Ctrl-C. resume: how to go on; None before there is anything to go on with."""

    def __init__(self, resume: str | None) -> None:
        super().__init__(f"to go on: {resume}" if resume else "")
        self.resume = resume


def command(config: SearchConfig, given: frozenset[str], line: str) -> int:
    """`search` as the command `line`: prints what `config` asks for; the exit status."""
    view = partial(make, config.quiet, config.json, sys.stdout)
    try:
        ended = search(config, given, line, view, UNREAD.is_set)
    except StoppedAtOnce as stop:
        if stop.resume is not None:
            print(f"\nStopped at once. To go on: {stop.resume}", file=sys.stderr)
        return INTERRUPTED
    if UNREAD.is_set():
        return PIPE_CLOSED
    if ended.stopped:
        return INTERRUPTED
    return 0 if ended.content["complete"] and not ended.early else 1


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
    store.check_server(job.tracking_uri)
    ours = not cluster.running()
    try:
        with ThreadPoolExecutor(1) as threads:  # both take seconds, mostly of waiting
            connecting = threads.submit(runs.Tracking, job.tracking_uri, job.artifact_store)
            dashboard = cluster.start(job.budget.workers, job.budget.gpus, job.config.ray_address)
        log = connecting.result()
        job = replace(job, budget=job.budget.on_ray(cluster.gpus()))
        nodes.check(job, cancelled)
        if job.fresh:
            job = job.placed()
        with job.folder:
            if job.fresh:
                job = job.begin(account.asked(job))
            return _run(job, log, dashboard, begun, view, cancelled)
    except KeyboardInterrupt:
        raise StoppedAtOnce(job.resume_command if job.folder.exists() else None) from None
    finally:
        if ours:
            cluster.stop()


def _run(
    job: Job,
    log: runs.Tracking,
    dashboard: str | None,
    begun: float,
    make_view: View,
    cancelled: Callable[[], bool],
) -> Ended:
    config, budget, folder = job.config, job.budget, job.folder
    hunt = _hunt(job)
    clock = Clock(hunt.notes, begun, budget.workers)
    view = make_view(hunt.trials, budget.trials, config.time_budget or math.inf)
    live = SearchMetrics(budget.plan, budget.trials, hunt.trials)
    with stopping(view, cancelled) as (halt, caught), live:
        open_run(hunt, log, view)
        with _breaking_off(hunt, log):
            facts = account.facts(job, log, dashboard)
            view.event("start", account.opening(job, log, dashboard), facts)
            if job.left_out:
                view.trouble(_left_out(job.left_out))
            with view:
                stop = Halt(halt, config.time_budget, hunt.reserve)
                listeners: list[Listener] = [view, log, live, clock]
                if cancelled():  # before Ray makes workers for nothing
                    halt.set()
                errors = [] if halt.is_set() else hunt.run(stop, listeners, view)
            _tell(errors, folder, view)
            if hunt.trials.scored and not halt.is_set():
                _score_again(hunt, view, halt)
            stopped = halt.is_set()
            # Still within: Ctrl-C while it is written costs nothing of it.
            clock.note()
            where = {
                "tracking_uri": store.redacted(log.uri),
                "experiment": log.experiment,
                "run_id": log.run_id,
            }
            hunt.notes.note(SHOWN, False)  # what an earlier session showed is not of this result
            content = hunt.write(clock, where)
    status = "KILLED" if stopped else "FINISHED" if content["complete"] else "FAILED"
    log.close(hunt.metrics(content), status, hunt.trials.unfinished)
    text = f"{hunt.summary(content)}\n{account.closing(job, log.uri)}"
    view.event("result", text, {"path": str(folder.result), "result": content})
    if content["complete"]:
        show(hunt, log, view, content)
    left, resume = to_run(hunt.trials, budget), job.resume_command
    if stop.up and left > 0 and not stopped:
        early = "" if hunt.trials.scored else " before a trial had a score,"
        text = f"The time was up{early} with {counted(left, 'trial')} left. To go on: {resume}"
        view.event("time_up", text, {"left": left, "resume": resume})
    if stopped:
        view.event("stopped", f"Stopped. To go on: {resume}", {"resume": resume})
    signal = caught[0] if caught else None
    return Ended(folder, content, stopped, signal, stop.early)


@contextmanager
def _breaking_off(hunt: Hunt, log: runs.Tracking) -> Iterator[None]:
    """What ends a search before its result, a full disk for one, is told in one line, and MLflow
    hears of it."""
    try:
        yield
    except (TuneError, RayError, OSError, UserError) as error:
        log.close({}, "FAILED", hunt.trials.unfinished)
        text = f"the search broke off: {cause(str(error))}"
        raise UserError(f"{text}; to go on: {hunt.job.resume_command}") from None
    except Exception:  # of the caller's own view, or a mistake of ours
        log.close({}, "FAILED", hunt.trials.unfinished)
        raise
    except KeyboardInterrupt:
        log.leave()
        raise


def _left_out(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"Left out, as the same for every real excerpt: {', '.join(names[:_NAMED])}{more}; "
        "there is nothing to explain"
    )


def _tell(errors: Sequence[str], folder: RunFolder, view: Progress) -> None:
    """Keep why trials failed, and say so."""
    if errors:
        with folder.errors.open("a", encoding="utf-8") as file:
            file.write("\n".join(errors))
        failed = f"{counted(len(errors), 'trial')} failed"
        view.trouble(f"{failed}, see {folder.errors}: {cause(errors[-1])}")


def _score_again(hunt: Hunt, view: Progress, halt: threading.Event) -> None:
    """As `Single.score_again`; what fails there costs no trial, and is done again by a resume."""
    try:
        hunt.score_again(view, halt)
    except Exception as error:
        reason = cause(str(error)) or type(error).__name__
        again = f"to try again: {hunt.job.resume_command}"
        view.trouble(f"the best could not be scored again: {reason}; {again}")


def _hunt(job: Job) -> Hunt:
    return Campaign(job) if job.several else Single(job)


def _complete(job: Job, make_view: View) -> Ended | None:
    """A search that has no trial left to run, told again; what it did not come to show is made."""
    try:
        content = job.folder.read_result()
    except (OSError, ValueError):
        return None
    with job.folder:
        hunt = _hunt(job)
        records = hunt.trials.records
        same = content.get("complete") and content.get("trials_total") == len(records)
        if not same or to_run(hunt.trials, job.budget) > 0:
            return None
        view = make_view(hunt.trials, job.budget.trials, math.inf)
        facts = {"path": str(job.folder.result), "result": content}
        text = f"{hunt.summary(content)}\n{account.closing(job, job.tracking_uri)}"
        whole = job.config.sampler == GRID and job.budget.trials >= len(job.space.points)
        more = "" if whole else f": a larger {option('trials')} goes on"
        text = f"{text}\nNo trial was left to run{more}."
        view.event("result", text, facts)
        if not hunt.notes.noted(SHOWN, False):
            show(hunt, None, view, content)
    return Ended(job.folder, content)
