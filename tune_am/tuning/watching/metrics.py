"""Live metrics of a search, for Prometheus by way of Ray (dashboards/README.md).

A metric is called what it is called in the code, in result.json and in MLflow, behind a prefix:
`activation_fid` is `ray_tune_am_activation_fid` in Prometheus, where Ray's agents offer it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tune_am.am import score
from tune_am.am.objectives import ACTIVATION_FID
from tune_am.am.plan import Plan
from tune_am.packs.neuron import shown
from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY, Listener, Record

PREFIX = "tune_am_"  # in Ray, which puts `ray_` before it

# Metrics of the whole search, beside those of `score` for its trials.
BEST_SCORE = "search_activation_fid"  # the lowest so far, before it is scored again (result.json)
BEST_TRIAL = "best_trial"  # its number
TRIALS = "trials"  # how many, by state
SAMPLE_STEPS = "sample_steps"  # steps times starts that the trials have reported; a counter
REPORT_SECONDS = "report_seconds"  # from a trial's report until it is told to go on
CHECKPOINT_SECONDS = "checkpoint_seconds"  # writing a trial's state

DESCRIPTIONS = {
    score.STEP: "steps that the trial has taken",
    ACTIVATION_FID: "lowest activation-FID of the trial so far",
    BEST_SCORE: "lowest activation-FID of all trials so far",
    BEST_TRIAL: "number of the trial with the best score",
    TRIALS: "trials by state",
    SAMPLE_STEPS: "steps times starts that the trials have taken",
    REPORT_SECONDS: "seconds from a trial's report until it is told to go on",
    CHECKPOINT_SECONDS: "seconds to write the state of a trial",
}

# Tags. Neuron and direction are the same for all of a search. Of a campaign, whose neuron is
# "fc8:*", the unit is what a trial is on.
NEURON, DIRECTION, UNIT, TRIAL, STATE = "neuron", "direction", "unit", "trial", "state"
SEARCH_TAGS = (NEURON, DIRECTION)

# States of a trial beside its outcomes: none of its steps is taken yet, or it has a worker.
WAITING, RUNNING = "waiting", "running"
STATES = (WAITING, RUNNING, FINISHED, STOPPED_EARLY, DIVERGED, FAILED)

OF_A_TRIAL = (score.STEP, ACTIVATION_FID)
OF_A_WORKER = (REPORT_SECONDS, CHECKPOINT_SECONDS)  # histograms

# Ray hands a gauge on once for each time it is set, and forgets it after two intervals of its
# reports, of which the shortest is a second.
REFRESH_SECONDS = 1.0

# Trials that have ended are shown a little longer, so that their last score is seen.
SHOWN_SECONDS = 30.0
MOST_ENDED = 32

# A histogram counts by these; Ray tells Prometheus the middle of each in place of the values.
SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]


class Sample(NamedTuple):
    name: str
    tags: dict[str, str]
    value: float


def exported(name: str) -> str:
    """What Prometheus calls the metric `name`; of a histogram, which is several, its buckets."""
    end = "_total" if name == SAMPLE_STEPS else "_bucket" if name in OF_A_WORKER else ""
    return f"ray_{PREFIX}{name}{end}"


def search_tags(plan: Plan) -> dict[str, str]:
    return {NEURON: tag(shown(plan.neuron)), DIRECTION: plan.direction}


def tag(name: str) -> str:
    """A neuron's name as Ray takes tags: other than ASCII only as escapes."""
    return name.encode("ascii", "backslashreplace").decode()


class SearchMetrics(Listener):
    """Shows a search to Prometheus from a thread of its own.

    The driver's loop only notes what happened; the thread sets every gauge once a second. The tag
    `trial` is the trial's number, and only trials that run or ended just now are shown: at a time
    there are at most as many as workers and `MOST_ENDED`, whatever the length of the search.
    """

    def __init__(self, plan: Plan, trials: int, ledger: Trials) -> None:
        self._tags, self._starts, self._ledger = search_tags(plan), plan.starts, ledger
        # In place of those that failed before as many others are to be run.
        self._trials = trials + sum(record.outcome == FAILED for record in ledger.records)
        made = ledger.objective
        self._best_score = BEST_SCORE.replace(ACTIVATION_FID, made.metric)
        self._of_a_trial = tuple(
            made.metric if name == ACTIVATION_FID else name for name in OF_A_TRIAL
        )
        self._described = {
            made.metric: f"{made.best_is} {made.label} of the trial so far",
            self._best_score: f"{made.best_is} {made.label} of all trials so far",
        }
        self._running: dict[tuple[str, int], Record] = {}
        self._ended: deque[tuple[float, Record]] = deque(maxlen=MOST_ENDED)
        self._steps = self._counted = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._refresh, name="metrics", daemon=True)

    def __enter__(self) -> SearchMetrics:
        from ray.util.metrics import Counter, Gauge  # a second, if Ray is not loaded yet

        tags: dict[str, tuple[str, ...]] = dict.fromkeys(self._of_a_trial, (UNIT, TRIAL))
        tags |= {TRIALS: (STATE,), self._best_score: (UNIT,), BEST_TRIAL: (UNIT,)}
        said = {**DESCRIPTIONS, **self._described}
        self._gauges = {
            name: Gauge(PREFIX + name, said[name], (*SEARCH_TAGS, *tags.get(name, ())))
            for name in (self._best_score, BEST_TRIAL, TRIALS, *self._of_a_trial)
        }
        self._counter = Counter(PREFIX + SAMPLE_STEPS, DESCRIPTIONS[SAMPLE_STEPS], SEARCH_TAGS)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join(REFRESH_SECONDS)

    def trial_started(self, record: Record) -> None:
        with self._lock:
            self._running[record.key] = record

    def trial_reported(self, record: Record) -> None:
        with self._lock:
            before = self._running.get(record.key)
            self._steps += record.step - (before.step if before else 0)
            self._running[record.key] = record

    def trial_ended(self, record: Record) -> None:
        with self._lock:
            self._running.pop(record.key, None)
            self._ended.append((time.monotonic(), record))

    def samples(self) -> list[Sample]:
        """Every gauge as it stands now."""
        shown_from = time.monotonic() - SHOWN_SECONDS
        with self._lock:
            running = list(self._running.values())
            ended = [record for when, record in self._ended if when > shown_from]
        found = []
        for best in self._ledger.bests:
            assert best.score is not None
            found.append(Sample(self._best_score, self._tags_of(best), best.score))
            found.append(Sample(BEST_TRIAL, self._tags_of(best), float(best.number)))
        for state, count in self._states(len(running)).items():
            found.append(Sample(TRIALS, {**self._tags, STATE: state}, float(count)))
        for record in (*running, *ended):
            if record.reports:
                tags = {**self._tags_of(record), TRIAL: str(record.number)}
                found += [Sample(name, tags, record.reports[-1][name]) for name in self._of_a_trial]
        return found

    def _tags_of(self, record: Record) -> dict[str, str]:
        return {**self._tags, UNIT: tag(record.neuron)}

    def _states(self, running: int) -> dict[str, int]:
        """How many trials are in each state: all of them, so that a state nobody is in is 0."""
        outcomes = [record.outcome for record in self._ledger.records]
        counts = {state: outcomes.count(state) for state in STATES}
        counts[RUNNING] = running
        counts[WAITING] = max(0, self._trials - sum(counts.values()))
        return counts

    def publish(self) -> None:
        for sample in self.samples():
            self._gauges[sample.name].set(sample.value, sample.tags)
        with self._lock:
            fresh, self._counted = self._steps - self._counted, self._steps
        if fresh:
            self._counter.inc(fresh * self._starts, self._tags)

    def _refresh(self) -> None:
        while True:
            over = self._over.wait(REFRESH_SECONDS)
            self.publish()
            if over:
                return


class WorkerMetrics:
    """What a worker measures of itself: how long reports and checkpoints take."""

    def __init__(self) -> None:
        from ray.util.metrics import Histogram

        self._tags: dict[str, str] = {}
        self._seconds: dict[str, Any] = {
            name: Histogram(PREFIX + name, DESCRIPTIONS[name], SECONDS, SEARCH_TAGS)
            for name in OF_A_WORKER
        }
        self._reported: float | None = None

    @contextmanager
    def checkpoint(self) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self._seconds[CHECKPOINT_SECONDS].observe(time.perf_counter() - begun, self._tags)

    def reported(self) -> None:
        """The trial hands its report over now."""
        self._reported = time.perf_counter()

    def going_on(self) -> None:
        """The trial is told to go on now, if it has reported before."""
        if self._reported is not None:
            seconds = time.perf_counter() - self._reported
            self._seconds[REPORT_SECONDS].observe(seconds, self._tags)
        self._reported = None

    def another_trial(self, tags: dict[str, str]) -> None:
        """The worker goes on to a trial of the search of these `search_tags`."""
        self._tags, self._reported = tags, None
