"""A finished search, read from its run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tune_am.am.objectives import Objective, objective
from tune_am.am.plan import Plan
from tune_am.am.score import BEST_STEP
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.packs.neuron import beside, direction_file
from tune_am.packs.pack import SHIPPED, Pack
from tune_am.tuning.folder import ASKED, BEST, RESULT, RESULT_SCHEMA, TRIALS, UNITS
from tune_am.tuning.record import FINISHED, STOPPED_EARLY
from tune_am.tuning.result_format import made_of
from tune_am.tuning.trial_state import state_file


@dataclass(frozen=True)
class Kept:
    """The examples of one setting: latents [n, *latent_shape], activations [n], all finite."""

    latents: Tensor
    activations: Tensor


@dataclass(frozen=True)
class FinishedRun:
    """result: result.json. asked: search.json (docs/result.md)."""

    path: Path
    result: dict[str, Any]
    asked: dict[str, Any]

    @classmethod
    def read(cls, path: Path, campaign: bool = False) -> FinishedRun:
        """The search in the folder `path`, which has a score; with `campaign` any search or
        campaign. Raises `UserError` where there is none that ended."""
        if not path.is_dir():
            raise UserError(f"no run folder {path}: name the folder of an earlier search")
        asked = _read_json(path, ASKED, "it is no run folder")
        result = _read_json(
            path, RESULT, f"its search has not ended: python -m tune_am.search --resume {path}"
        )
        if result.get("schema") != RESULT_SCHEMA:
            raise UserError(
                f"{path / RESULT}: schema {result.get('schema')!r} is unknown, this version "
                f"reads {RESULT_SCHEMA}; update tune-am or search again"
            )
        run = cls(path.absolute(), result, asked)
        if run.several and not campaign:
            raise UserError(
                f"{path} is a campaign over many neurons: name the folder of one, as in "
                f"{path / UNITS}"
            )
        if not campaign:
            run.expect_score()
        return run

    def expect_score(self) -> None:
        """Raise `UserError` where there is nothing to explain."""
        if self.result["best"] is None:
            raise UserError(
                f"{self.path}: no trial got as far as a score, there is nothing to explain"
            )

    @property
    def several(self) -> bool:
        """Whether it is a campaign over several neurons."""
        return UNITS in self.result

    @property
    def of_campaign(self) -> bool:
        """Whether it is one neuron of a campaign."""
        return "campaign" in self.asked

    @property
    def command(self) -> str:
        """What was typed."""
        return str(self.asked.get("command", ""))

    @property
    def direction(self) -> str:
        return str(self.result["direction"])

    @property
    def objective(self) -> Objective:
        """What settings were scored by."""
        return objective(self.result["objective"])

    @property
    def prior(self) -> str:
        """Where the ascent searched."""
        return str(self.result["prior"])

    @property
    def neuron(self) -> str:
        """What was explained; a direction by its copy in the run folder."""
        return beside(self.result["neuron"], self.path)

    def plan(self) -> Plan:
        result = self.result
        return Plan(
            neuron=self.neuron,
            direction=result["direction"],
            starts=result["starts"],
            report_points=tuple(result["report_points"]),
            seed=result["seed"],
            objective=self.objective.asked,
        )

    def load_pack(self, elsewhere: str | None = None, trust_code: bool = False) -> Pack:
        """The pack that was searched on, at its old place or `elsewhere`. Raises `UserError`."""
        entry = self.result["pack"]
        source = elsewhere or entry["path"]
        if elsewhere is None and not Path(source).exists() and entry["name"] in SHIPPED:
            source = entry["name"]
        pack = Pack.load(source, "cpu", trust_code, self.prior)
        if pack.hash != entry["hash"]:
            raise UserError(
                f"the pack {pack.path} is not the one that {self.path} was searched on: put that "
                f"one there, or give explain and judge its folder with {option('pack')}"
            )
        return pack

    def best(self) -> Kept | None:
        """The examples of the re-scored best; those of the search where it was not re-scored."""
        best = self.result["best"]
        which = best["trial"], best["step"]
        made = made_of(self.path / BEST, *which, "latents", "activations")
        if best["ci95"] and made and len(made[1]):  # not of one that diverged on the fresh starts
            return Kept(*made)
        return self.kept(best["trial"])

    def kept(self, trial: int) -> Kept | None:
        """The examples of a trial where it scored best; None where the run did not keep them."""
        best = self._state(trial).get("run", {}).get("best")
        if best is None:
            return None
        valid = torch.isfinite(best["activations"])
        kept = Kept(best["latents"][valid], best["activations"][valid])
        return kept if len(kept.activations) else None

    def course(self, trial: int) -> list[dict[str, float]]:
        """A trial's metrics at each report point; empty where the run did not keep them."""
        reports: list[dict[str, float]] = self._state(trial).get("reports", [])
        return reports

    def _state(self, trial: int) -> dict[str, Any]:
        path = state_file(self.path / TRIALS, trial)
        try:
            # weights_only: tensors and plain values, no code. mmap: little of it may be wanted.
            state: dict[str, Any] = torch.load(
                path, map_location="cpu", weights_only=True, mmap=True
            )
        except Exception:  # torch's own errors are many: a state that cannot be read is not there
            return {}
        return state


def opposite(run: FinishedRun) -> FinishedRun | None:
    """The newest search beside `run` for the same neuron the other way round, if there is one."""
    found: list[tuple[float, FinishedRun]] = []
    for path in run.path.parent.iterdir():
        try:
            other = FinishedRun.read(path)
            if other.direction != run.direction and _alike(run, other):
                found.append(((path / RESULT).stat().st_mtime, other))
        except (UserError, KeyError, TypeError, OSError, ValueError, EOFError):
            continue  # no run, or one that cannot be read
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _alike(run: FinishedRun, other: FinishedRun) -> bool:
    """Whether both asked about the same neuron of the same pack, by the same objective."""
    same = all(other.result[key] == run.result[key] for key in ("neuron", "complete"))
    same &= other.result["pack"]["hash"] == run.result["pack"]["hash"]
    same &= other.prior == run.prior and other.objective == run.objective
    return same and _direction(run) == _direction(other)


def _direction(run: FinishedRun) -> list[float] | None:
    """The vector of a run on a direction: a name says its file only. None of a unit."""
    file = direction_file(run.neuron)
    if file is None:
        return None
    vector: list[float] = np.load(file, allow_pickle=False).tolist()
    return vector


def worst_trial(run: FinishedRun) -> dict[str, Any] | None:
    """The row of the trial that scored worst, its `step` that of the score and `reached` the last;
    None without any.

    Trials of settings that are shown already, and those that diverged, which have no examples to
    speak of, are left out.
    """
    shown = [row["settings"] for row in (run.result["best"], *run.result["runners_up"])]
    rows = [
        row
        for row in run.result["trials"]
        if row["outcome"] in (FINISHED, STOPPED_EARLY) and row["settings"] not in shown
    ]
    made = run.objective
    worst = max(rows, key=lambda row: made.loss(row[made.metric]), default=None)
    if worst is None:
        return None
    reports = [r for r in run.course(worst["trial"]) if r["step"] <= worst["step"]]
    step = int(reports[-1].get(BEST_STEP, worst["step"])) if reports else worst["step"]
    return {**worst, "step": step, "reached": worst["step"]}


def _read_json(path: Path, name: str, otherwise: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads((path / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} has no {name}: {otherwise}") from None
    except OSError as error:
        raise UserError(f"cannot read {path / name}: {error.strerror or error}") from None
    except ValueError:
        raise UserError(f"{path / name} is damaged and cannot be read") from None
    if not isinstance(content, dict):
        raise UserError(f"{path / name} is damaged and cannot be read")
    return content
