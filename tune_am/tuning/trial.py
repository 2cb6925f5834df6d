"""One Ray Tune trial: the ascent at one setting, scored at each report point."""

from __future__ import annotations

import traceback
from typing import Any

import torch
from ray import tune

from tune_am.am import score
from tune_am.am.objectives import DEFAULT, LAYER_FID, Objective
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.tuning.label import trial_title
from tune_am.tuning.record import has_diverged
from tune_am.tuning.task import pack_and_plan
from tune_am.tuning.trial_log import TrialLog
from tune_am.tuning.trial_state import state_file, write_state
from tune_am.tuning.watching.metrics import WorkerMetrics

# Keys of a trial's config.
NUMBER = "number"  # of the trial in the ledger
REPORTED = "reported_step"  # the last step that the ledger has
SETTINGS = "settings"
TASK = "task"  # `tune_am.tuning.task`

# What a trial reports beside its score, by the names of `tune_am.am.score`.
_BESIDE = (
    score.ACTIVATION_FID_NOW,
    score.BEST_STEP,
    LAYER_FID,
    score.ACTIVATION_MEAN,
    score.IMPROVED_SHARE,
    score.PAIRWISE_DISTANCE,
    score.DIVERGED_SHARE,
    score.DEAD_SHARE,
    score.SAMPLE_STEPS_PER_SECOND,
)


def reported(objective: Objective) -> tuple[str, ...]:
    """The metrics of a trial that is scored by `objective`."""
    others = (each.beside for each in objective.others)
    return tuple(dict.fromkeys((score.STEP, objective.metric, objective.now, *others, *_BESIDE)))


METRICS = reported(DEFAULT)


class AscentTrial(tune.Trainable):
    """`step()` is the ascent up to the next report point.

    The trial itself keeps its state, in the run folder and before it reports: Ray's own checkpoints
    come after the report and in a second call. So a trial that was cut off, whether its worker
    died, the driver was killed or the user stopped the search, goes on from its last report point;
    what it had reported to nobody it reports again without computing it.
    """

    _title = "ascent"

    def setup(self, config: dict[str, Any]) -> None:
        self._title = config[TASK]["title"]
        self._metrics = WorkerMetrics()
        self._begin(config)

    def __repr__(self) -> str:
        """What Ray calls the worker, once and for all: it serves many trials."""
        return self._title

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._pack, self._plan = pack_and_plan(config[TASK])
        self._number = config[NUMBER]
        self._folder = config[TASK]["folder"]
        self._reported = config[REPORTED]
        settings = Settings.from_dict(config[SETTINGS])
        self._metrics.another_trial(config[TASK]["tags"])
        self._log = TrialLog(config[NUMBER], trial_title(self._plan, settings))
        given = ", ".join(f"{name} {value}" for name, value in settings.to_dict().items())
        self._log.line(f"begins: {given}")
        self._start(settings)
        if state_file(self._folder, self._number).exists():
            try:
                self.load_checkpoint(self._folder)
                self._log.line(f"goes on from step {self._run.step}")
            except Exception as error:
                # Left unreadable, as by a crash of the machine: the trial starts over, and gives
                # the numbers that it gave before.
                self._log.line(f"starts over, its state cannot be read: {error}")
                self._start(settings)

    def _start(self, settings: Settings) -> None:
        self._run = TrialRun(self._pack, self._plan, settings)
        self._reports: list[dict[str, float]] = []

    def step(self) -> dict[str, Any]:
        self._metrics.going_on()
        try:
            metrics = self._advance()
        except Exception:
            self._log.line(f"failed\n{traceback.format_exc()}")
            raise
        self._reported = metrics[score.STEP]
        over = self._reported >= self._plan.max_steps or has_diverged(metrics)
        self._log.line(_words(metrics, self._plan.scored_by) + (", the end" if over else ""))
        self._metrics.reported()
        return {**metrics, "done": over}

    def _advance(self) -> dict[str, float]:
        """The next report, computed unless it is known."""
        metrics = self._unreported()
        while metrics is None:
            point = self._run.next_point
            if point is None:  # over, and known to be: only the end is left to tell
                metrics = self._reports[-1]
            else:
                self._reports.append(self._run.advance_to(point))
                with self._metrics.checkpoint():
                    self.save_checkpoint(self._folder)
                metrics = self._unreported()
        return metrics

    def _unreported(self) -> dict[str, float] | None:
        return next((m for m in self._reports if m[score.STEP] > self._reported), None)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        path = state_file(checkpoint_dir, self._number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_state(path, {"run": self._run.state_dict(), "reports": self._reports})

    def load_checkpoint(self, checkpoint_dir: Any) -> None:
        # weights_only: tensors and plain values, no code. A state of a GPU opens without one too.
        state = torch.load(
            state_file(checkpoint_dir, self._number),
            map_location="cpu" if self._plan.device == "cpu" else None,
            weights_only=True,
        )
        self._run.load_state_dict(state["run"])
        self._reports = state["reports"]


def _words(metrics: dict[str, float], objective: Objective) -> str:
    """A report as a line of a log."""
    others = (each.beside for each in objective.others)
    shown = (score.STEP, objective.metric, objective.now, *others, score.ACTIVATION_MEAN)
    return ", ".join(f"{name} {metrics[name]:.4g}" for name in shown)
