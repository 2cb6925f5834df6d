"""What a user may ask of `tune_am.explain`, from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from tune_am.am.settings import Settings
from tune_am.choices import PRIORS, SIGNS, expect_one_of, expect_seed
from tune_am.command import CommandParser, add_field, add_trust_code, reader
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.tuning.defaults import CPU

# Nothing here may import torch or matplotlib: --help and a bad flag answer at once.

EXAMPLES = 8
FEW = 4  # of a setting that is there for comparison
MOST_EXAMPLES = 50


@dataclass(frozen=True)
class ExplainConfig:
    """One of three: a run, several to compare, or a neuron at given settings (`UserError`)."""

    run: Path | None = None
    compare: tuple[Path, ...] = ()
    neuron: str | None = None
    direction: str = "max"
    steps: int = CPU.max_steps
    seed: int = 0
    settings: Settings = field(default_factory=Settings)
    pack: str | None = None
    prior: str | None = None
    out: Path | None = None
    examples: int = EXAMPLES
    overwrite: bool = False
    trust_code: bool = False
    given: frozenset[str] = field(default=frozenset(), compare=False)  # options on the line

    def __post_init__(self) -> None:
        asked = [self.run is not None, bool(self.compare), self.neuron is not None]
        if sum(asked) != 1:
            raise UserError(
                f"name one of: a run folder, {option('compare')} with two or more of them, or "
                f"{option('neuron')}"
            )
        if len(self.compare) == 1:
            raise UserError(f"{option('compare')} needs at least two run folders")
        places = [path.resolve() for path in self.compare]
        if twice := [path for i, path in enumerate(self.compare) if places[i] in places[:i]]:
            raise UserError(f"{option('compare')} has {twice[0]} twice: name searches that differ")
        if self.neuron is None and (stray := sorted(self.given & _OF_A_NEURON)):
            raise UserError(
                f"{option(stray[0])} goes with {option('neuron')} only: a run has its own "
                "settings, seed, prior and direction"
            )
        expect_one_of("direction", self.direction, SIGNS)
        if self.prior is not None:
            expect_one_of("prior", self.prior, PRIORS)
        if not 2 <= self.examples <= MOST_EXAMPLES:
            raise UserError(
                f"{option('examples', self.examples)}: must be from 2 to {MOST_EXAMPLES}"
            )
        if self.steps < 1:
            raise UserError(f"{option('steps', self.steps)}: must be at least 1")
        expect_seed(self.seed)


_OF_A_NEURON = frozenset({"direction", "prior", "steps", "seed", *Settings.names()})


def parse(arguments: Sequence[str]) -> ExplainConfig:
    """The explanation that `arguments` ask for. Raises `UserError`."""
    given = vars(_parser().parse_args(list(arguments)))
    settings = {name: given[name] for name in Settings.names() if name in given}
    rest = {name: value for name, value in given.items() if name not in settings}
    if "compare" in rest:
        rest["compare"] = tuple(rest["compare"])
    return ExplainConfig(
        **rest, settings=Settings.from_dict(settings), given=frozenset(given) - {"given"}
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m tune_am.explain",
        description="The examples of a neuron, to look at and listen to: pictures, sounds, a page.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    # argparse would read its own mark for "suppressed" as a path: hence the default.
    add(
        "run",
        nargs="?",
        type=Path,
        default=None,
        metavar="RUN_DIR",
        help="folder of a search: its report, once more with --overwrite",
    )
    add("--compare", nargs="+", type=Path, metavar="RUN_DIR", help="several searches side by side")
    add("--neuron", metavar="NAME", help="or: this neuron at the settings below")
    add(
        "--direction", metavar="max|min", help="with --neuron: what excites it most, or least [max]"
    )
    add("--steps", type=reader(int), metavar="N", help=f"steps of the ascent [{CPU.max_steps}]")
    add("--seed", type=reader(int), metavar="N", help="seed of the starts [0]")
    add("--pack", metavar="PACK", help="name or folder of the pack (that of the run, or vocal)")
    add("--prior", metavar="|".join(PRIORS), help="where the ascent searches (the pack's own)")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to make (RUN_DIR/report, else one in tune_am_runs)",
    )
    add(
        "--examples",
        type=reader(int),
        metavar="N",
        help=f"examples to show, with --neuron also starts, 2 to {MOST_EXAMPLES} [{EXAMPLES}, of "
        f"searches side by side {FEW} each]",
    )
    add("--overwrite", action="store_true", help="replace an earlier report in that folder")
    add_trust_code(parser)
    group = parser.add_argument_group("settings of the ascent, with --neuron")
    for spec in fields(Settings):
        allowed = spec.metadata["allowed"].removeprefix("one of ").replace(", ", "|")
        add_field(group, spec, allowed if spec.metadata["kind"] is str else "X")
    return parser
