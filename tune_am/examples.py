"""Examples of a neuron at one setting, to look at and listen to in a script or a notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.report import figures, template
from tune_am.report.explanation import Explanation, Group, explain_settings, typical_inputs
from tune_am.report.media import picture_uri
from tune_am.report.renderer import Renderer, renderer_for
from tune_am.result import Found
from tune_am.tuning.defaults import CPU
from tune_am.tuning.options import checked

if TYPE_CHECKING:
    from IPython.display import Audio
    from matplotlib.figure import Figure

# Pictures in what a notebook shows of a result.
SMALL = 4


class Examples:
    """What an ascent made, beside real excerpts and latents that were never optimised.

    Pictures share one colour scale, which is the pack's own: they can be compared with those of
    other settings. Raises `UserError` for inputs that cannot be drawn.
    """

    def __init__(self, shown: Explanation) -> None:
        self._shown = shown
        self._found = Found.from_row(shown.row, shown.objective.metric)

    @property
    def settings(self) -> Settings:
        return self._found.settings

    @property
    def step(self) -> int:
        """Steps of the ascent."""
        return self._found.step

    @property
    def activation_fid(self) -> float:
        """Of all kept examples; in squared units of the activation, lower is better. Raises
        `UserError` where a search by another objective was stopped before it was measured."""
        return self._found.activation_fid

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % interval by the objective; None in a search that did not score it again."""
        return self._found.ci95

    @property
    def activations(self) -> Tensor:
        """[n] of all kept examples."""
        return self._shown.kept.activations

    @property
    def inputs(self) -> Tensor:
        """[n, *input_shape] of the examples shown, the one that came furthest first."""
        return self._shown.best.inputs

    def plot_examples(self) -> Figure:
        """The examples, real excerpts and latents never optimised, each with its activation."""
        return figures.examples_figure(self._shown, self._renderer, self._limits)

    def plot_activations(self) -> Figure:
        """What the score compares: the activations of examples and of real excerpts."""
        return figures.activations_figure(self._shown)

    def plot_ascent(self) -> Figure:
        """The activation kept by each start, step by step. Raises `UserError` for a search's."""
        if self._shown.trace is None:
            raise UserError("the ascents of a search were not watched: tune_am.ascend shows one")
        return figures.ascent_figure(self._shown, self._shown.trace)

    def play(self, i: int = 0, group: str = "best") -> Audio:
        """Example `i` of "best", "real" or "never" as a player for a notebook.

        Sounds are estimates from the input. Raises `UserError` where inputs make no sound.
        """
        suffix = self._renderer.suffix
        if suffix is None:
            name = self._shown.pack.name
            raise UserError(f"inputs of the pack {name} make no sound: look at plot_examples()")
        try:
            from IPython.display import Audio
        except ImportError:
            raise UserError(
                "play() is for notebooks and needs IPython; tune_am.explain writes sound files"
            ) from None
        inputs = self._group(group).inputs
        if not 0 <= i < len(inputs):
            raise UserError(f"no example {i} of {group!r}: there are 0 to {len(inputs) - 1}")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"example{suffix}")
            self._renderer.write_sounds(inputs[i : i + 1], [path])
            return Audio(filename=str(path), embed=True)

    def pictures(self) -> list[dict[str, str]]:
        """The first few examples small: `picture`, a data URI, and `activation` in words."""
        best = self._shown.best
        codes = self._renderer.codes(best.inputs[:SMALL], self._limits)
        values = best.activations[:SMALL].tolist()
        return [
            {"picture": picture_uri(code, self._renderer.colours), "activation": f"{value:.3g}"}
            for code, value in zip(codes, values, strict=True)
        ]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        shown = self._shown
        try:
            pictures = self.pictures()
        except UserError:  # inputs that cannot be drawn: the numbers can be told
            pictures = []
        return template.fragment(
            "notebook.html",
            title=f"{shown.plan.neuron}, {shown.plan.direction}imised",
            sentences=[],
            rows=[{"name": "these settings", **shown.row}],
            pictures=pictures,
            score=shown.objective,
            folder=None,
        )

    def __repr__(self) -> str:
        plan, made = self._shown.plan, self._shown.objective
        return (
            f"<Examples of {plan.neuron}, {plan.direction}imised: {len(self.activations)} at step "
            f"{self.step}, {made.label} {self._shown.row[made.metric]:.4g}>"
        )

    def _group(self, name: str) -> Group:
        groups = {"best": self._shown.best, "real": self._shown.real, "never": self._shown.never}
        if name not in groups:
            raise UserError(f"no group {name!r}; there are {', '.join(groups)}")
        group = groups[name]
        if group is None:
            raise UserError(f"the pack {self._shown.pack.name} has no real excerpts to show")
        return group

    @cached_property
    def _renderer(self) -> Renderer:
        return renderer_for(self._shown.pack)

    @cached_property
    def _limits(self) -> tuple[float, float]:
        return self._renderer.limits(typical_inputs(self._shown))


def ascend(
    neuron: str,
    settings: Settings | dict[str, Any] | None = None,
    *,
    steps: int = CPU.max_steps,
    starts: int = CPU.starts,
    direction: str = "max",
    seed: int = 0,
    pack: Pack | str | Path = "vocal",
    trust_code: bool = False,
) -> Examples:
    """Activation maximisation of `neuron` at one setting, from `starts` latents at once.

    settings: by default those of `Settings()`. No search and no controls, which `tune_am.search`
    and `tune_am.explain` have. Raises `UserError`, also for an ascent that diverges.
    """
    _expect("neuron", neuron, str, "the name of one neuron")
    _expect("settings", settings, Settings | Mapping | None, "Settings or a dict of them")
    _expect("direction", direction, str, "max or min")
    _expect("pack", pack, Pack | str | PathLike, "a pack, its name or its folder")
    numbers = {"steps": steps, "starts": starts, "seed": seed}
    steps, starts, seed = (checked(name, int, value) for name, value in numbers.items())
    if steps < 1:
        raise UserError(f"steps={steps}: must be at least 1")
    chosen = settings if isinstance(settings, Settings) else Settings.from_dict(settings or {})
    loaded = pack if isinstance(pack, Pack) else Pack.load(pack, trust_code=trust_code)
    loaded.neuron(neuron)
    plan = Plan(neuron, direction, starts, (steps,), seed, str(loaded.device))
    return Examples(explain_settings(loaded, plan, chosen, controlled=False))


def _expect(name: str, value: Any, kind: Any, wanted: str) -> None:
    if not isinstance(value, kind):
        raise UserError(f"{name}={value!r}: must be {wanted}")
