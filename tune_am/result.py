"""What a search found, for a script or a notebook."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_am.am.objectives import DEFAULT, Objective, objective
from tune_am.am.settings import Settings
from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.report import figures, template, words
from tune_am.report.config import EXAMPLES
from tune_am.report.data import trial_rows
from tune_am.report.explanation import Explanation, best_of_run
from tune_am.report.finished import FinishedRun
from tune_am.tuning.result_format import ON_FRONT, flat

if TYPE_CHECKING:
    from IPython.display import Audio
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from typing_extensions import Self

    from tune_am.examples import Examples


@dataclass(frozen=True)
class Scored:
    """A score by the search's objective, and its 95 % interval, if it has one.

    of: the row of result.json, with all that is known.
    """

    score: float
    ci95: tuple[float, float] | None
    of: dict[str, Any]

    @classmethod
    def from_row(cls, row: dict[str, Any], metric: str = DEFAULT.metric) -> Self:
        ci95 = row["ci95"]
        return cls(row[metric], None if ci95 is None else (ci95[0], ci95[1]), row)

    @property
    def activation_fid(self) -> float:
        """In squared units of the activation, whatever the objective. Raises `UserError` where a
        search by another objective was stopped before it was measured."""
        try:
            return float(self.of[DEFAULT.metric])
        except KeyError:
            raise UserError("no activation-FID of a setting that was not scored again") from None


@dataclass(frozen=True)
class Found(Scored):
    """A setting that a search found: `settings` at `step` steps, of the trial `trial`."""

    @property
    def settings(self) -> Settings:
        return Settings.from_dict(self.of["settings"])

    @property
    def step(self) -> int:
        return int(self.of["step"])

    @property
    def trial(self) -> int:
        return int(self.of["trial"])


class SearchResult:
    """The result of a search. content: of its result.json (docs/result.md). folder: its run folder.
    trust_code: whether its pack's own code may run.

    What is shown is read from the run folder and computed from the pack when first asked for;
    `UserError` where either is gone.
    """

    def __init__(self, folder: Path, content: dict[str, Any], trust_code: bool = False) -> None:
        self.folder = folder
        self.content = content
        self._trust_code = trust_code

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what was looked at: the operations of an exported pack cannot be pickled."""
        return type(self), (self.folder, self.content, self._trust_code)

    @property
    def complete(self) -> bool:
        """False when the search was stopped: scores are then those of the search, not repeated on
        fresh starts, and there are no controls."""
        return bool(self.content["complete"])

    @property
    def neuron(self) -> str:
        return str(self.content["neuron"])

    @property
    def direction(self) -> str:
        return str(self.content["direction"])

    @property
    def objective(self) -> Objective:
        """What settings were scored by."""
        return objective(self.content["objective"])

    @cached_property
    def best(self) -> Found:
        """The best setting. Raises `UserError` when no trial got as far as a score."""
        if self.content["best"] is None:
            errors = self.folder / "errors.txt"
            see = f": see {errors}" if errors.exists() else ""
            raise UserError(f"no trial got as far as a score{see}")
        return Found.from_row(self.content["best"], self.objective.metric)

    @cached_property
    def runners_up(self) -> list[Found]:
        metric = self.objective.metric
        return [Found.from_row(row, metric) for row in self.content["runners_up"]]

    @property
    def front(self) -> list[Found]:
        """By several objectives the best and the runners-up to which no other is better by all of
        them; by one the best."""
        found = [self.best, *self.runners_up]
        return [each for each in found if each.of.get(ON_FRONT, each is found[0])]

    @cached_property
    def controls(self) -> dict[str, Scored]:
        """never_optimised, random_classifier and real_vs_real: what the best is read against."""
        metric, rows = self.objective.metric, self.content["controls"]
        return {name: Scored.from_row(row, metric) for name, row in rows.items()}

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial: trial, outcome, step, activation_fid and settings, as in result.json."""
        rows: list[dict[str, Any]] = self.content["trials"]
        return rows

    def to_frame(self) -> DataFrame:
        """The trials as a table, a column for each setting."""
        from pandas import DataFrame, Index  # comes with MLflow

        if not self.trials:
            return DataFrame(index=Index([], name="trial"))
        return DataFrame(map(flat, self.trials)).set_index("trial")

    @cached_property
    def pack(self) -> Pack:
        """The pack that was searched on."""
        return self._run.load_pack(trust_code=self._trust_code)

    @cached_property
    def examples(self) -> Examples:
        """The examples of the best setting, to look at and listen to."""
        from tune_am.examples import Examples

        return Examples(self._shown)

    def plot_examples(self) -> Figure:
        """The best examples, real excerpts and latents never optimised, on one colour scale."""
        return self.examples.plot_examples()

    def plot_activations(self) -> Figure:
        """What the score compares: the activations of the best examples and of real excerpts."""
        return self.examples.plot_activations()

    def plot_search(self) -> Figure:
        """Every trial's score along its ascent, and where it was stopped."""
        return figures.search_figure(self._shown, trial_rows(self._run))

    def play(self, i: int = 0, group: str = "best") -> Audio:
        """See `tune_am.examples.Examples.play`."""
        return self.examples.play(i, group)

    def answer(self) -> list[str]:
        """Two sentences: the best score with its interval, and what the controls say of it."""
        return words.answer(self.best.of, self.content["controls"], self.direction, self.objective)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        sentences, rows, pictures = ["No trial got as far as a score."], [], []
        if self.content["best"] is not None:
            sentences, rows = self.answer(), [{"name": "best", **self.best.of}]
            for place, found in enumerate(self.runners_up, start=2):
                rows.append({"name": f"{place}.", **found.of})
            told = words.controls(self.direction, self.objective)
            for name, (title_of, _, tells) in told.items():
                if name in self.controls:
                    rows.append({"name": title_of, **self.controls[name].of, "tells": tells})
            with suppress(UserError):  # the pack or the examples are gone: the numbers are not
                pictures = self.examples.pictures()
        return template.fragment(
            "notebook.html",
            title=f"{self.neuron}, {self.direction}imised",
            sentences=sentences,
            rows=rows,
            pictures=pictures,
            score=self.objective,
            folder=self._from_here(),
        )

    def __repr__(self) -> str:
        best, made = self.content["best"], self.objective
        score = "no score" if best is None else f"{made.label} {best[made.metric]:.4g}"
        part = "" if self.complete else ", stopped"
        return (
            f"<SearchResult of {self.neuron}, {self.direction}imised: {score}, "
            f"{counted(len(self.trials), 'trial')}{part}, {self._from_here()}>"
        )

    def _from_here(self) -> Path:
        """The folder as a user would type it."""
        here = Path.cwd()
        return self.folder.relative_to(here) if self.folder.is_relative_to(here) else self.folder

    @cached_property
    def _run(self) -> FinishedRun:
        return FinishedRun.read(self.folder)

    @cached_property
    def _shown(self) -> Explanation:
        shown = best_of_run(self._run, self.pack, EXAMPLES)
        if shown is None:
            raise UserError(f"{self.folder} holds no examples (best.safetensors, trials/)")
        return shown
