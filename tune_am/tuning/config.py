"""What a user may ask of a search: one dataclass drives the command line, MLflow and the docs."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tune_am.am.objectives import DEFAULT, OBJECTIVES, objective
from tune_am.choices import DEVICES, PRIORS, SIGNS, expect_one_of, expect_seed
from tune_am.command import CommandParser, add_field
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.tuning.defaults import (
    CMAES,
    CPU,
    GPU,
    SAMPLER,
    SAMPLERS,
    SCHEDULER,
    SCHEDULERS,
    WORKERS_PER_GPU,
)

# Nothing here may import torch, Ray, Optuna or MLflow: --help and a bad flag answer at once.

# Asked anew each time: how to print, how long to go on, whether to trust a pack's code, and on
# which cluster, since that of the beginning may be gone.
_PASSING = ("quiet", "json", "time_budget", "trust_code", "no_report", "ray_address")


def _option(default: Any, kind: Any, shown: str, help: str, resumable: bool = False) -> Any:
    """One option: `shown` stands for its value in the help; a resumable one may change later."""
    metadata = {"kind": kind, "shown": shown, "help": help, "resumable": resumable}
    return field(default=default, metadata=metadata)


def duration(text: str) -> float:
    """Seconds from "90", "90s", "5m" or "1.5h"."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smh]?)", text.strip().lower())
    if match is None:
        raise UserError(f"{text!r} is no duration: write 90s, 5m or 1.5h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


@dataclass(frozen=True)
class SearchConfig:
    """One search as it was asked for, checked on construction (`UserError`).

    None means that the space or the device decides (`tune_am.tuning.budget`).
    """

    neuron: str | None = _option(
        None,
        str,
        "NAME",
        "neuron to explain: a name of the pack (vocal), layer:unit or layer:@direction.npy; "
        "several in one campaign: fc8:0-15, fc8:*, vocal,fc8:3",
    )
    pack: str = _option("vocal", str, "PACK", "name or folder of the pack", resumable=True)
    prior: str | None = _option(
        None, str, "|".join(PRIORS), "where the ascent searches (the pack's own, mostly its GAN)"
    )
    space: str = _option(
        "default",
        str,
        "SPACE",
        "search space: default, paper, quick, raw, or a .py file of your own",
    )
    direction: str = _option("max", str, "|".join(SIGNS), "what excites the neuron most, or least")
    objective: str = _option(
        DEFAULT.name,
        str,
        "NAME",
        f"what settings are scored by: {', '.join(OBJECTIVES)}, or MODULE:FUNCTION of your own; "
        "several with commas: their Pareto front, the best by the first",
    )
    sampler: str = _option(
        SAMPLER,
        str,
        "NAME",
        f"what proposes settings: {', '.join(SAMPLERS)} (gp, cmaes and nsga2 draw parameters of a "
        "branch at random, cmaes choices too; grid needs a finite space: choices and stepped "
        "ranges)",
    )
    scheduler: str | None = _option(
        None,
        str,
        "NAME",
        f"what stops trials early: {', '.join(SCHEDULERS)} ({SCHEDULER}, or what the space says)",
    )
    diversity: float = _option(
        0.0,
        float,
        "SHARE",
        "minimum mean pairwise distance of a setting's examples, as a share of that of random "
        "inputs; settings below it rank last",
    )
    trials: int | None = _option(
        None,
        int,
        "N",
        f"settings to try ({CPU.trials} on a CPU, {GPU.trials} on a GPU); with several neurons per "
        f"neuron, on average (a third of that)",
        resumable=True,
    )
    starts: int | None = _option(
        None,
        int,
        "N",
        f"latents that ascend together in a trial ({CPU.starts} on a CPU, {GPU.starts} on a GPU)",
    )
    max_steps: int | None = _option(
        None,
        int,
        "N",
        f"steps of the longest ascent ({CPU.max_steps} on a CPU, {GPU.max_steps} on a GPU)",
    )
    seed: int = _option(0, int, "N", "seed of the starts and of the sampler")
    workers: int | None = _option(
        None,
        int,
        "N",
        f"trials at a time (all cores; {WORKERS_PER_GPU} for each GPU)",
        resumable=True,
    )
    device: str = _option(
        "auto", str, "DEVICE", "auto, cpu or cuda; auto takes a GPU if there is one", resumable=True
    )
    out: str | None = _option(
        None, str, "DIR", "folder of this run, made new (tune_am_runs/<neuron>-<time>)"
    )
    resume: str | None = _option(
        None, str, "DIR", "go on with the search in this run folder", resumable=True
    )
    ray_address: str | None = _option(
        None, str, "ADDRESS", "a running Ray cluster, host:port or auto", resumable=True
    )
    mlflow_uri: str | None = _option(
        None,
        str,
        "URI",
        "MLflow server or database ($MLFLOW_TRACKING_URI, else mlflow.db beside the run folder)",
        resumable=True,
    )
    time_budget: float | None = _option(
        None,
        duration,
        "TIME",
        "start and go on with trials this long (90s, 5m, 1h; a number alone is seconds); the "
        "re-scoring of the best follows, with several neurons within this time",
        resumable=True,
    )
    no_report: bool = _option(
        False, bool, "", "leave out the page about the result (tune_am.explain)", resumable=True
    )
    trust_code: bool = _option(
        False,
        bool,
        "",
        "import the code outside tune_am that a pack's networks or --objective name",
        resumable=True,
    )
    quiet: bool = _option(False, bool, "", "print the result only", resumable=True)
    json: bool = _option(False, bool, "", "print one JSON object per event", resumable=True)

    def __post_init__(self) -> None:
        if self.neuron is None and self.resume is None:
            raise UserError(
                f"{option('neuron')} is missing: name the neuron to explain, for example vocal"
            )
        expect_one_of("direction", self.direction, SIGNS)
        if self.prior is not None:
            expect_one_of("prior", self.prior, PRIORS)
        asked = objective(self.objective)
        object.__setattr__(self, "objective", asked.asked)  # without spaces
        expect_one_of("sampler", self.sampler, SAMPLERS)
        if asked.others and self.sampler == CMAES:
            raise UserError(
                f"{option('sampler', CMAES)} goes by one objective, not by {asked.asked}: take "
                "another sampler, or one objective"
            )
        if self.scheduler is not None:
            expect_one_of("scheduler", self.scheduler, SCHEDULERS)
        if not 0 <= self.diversity < math.inf:
            raise UserError(
                f"{option('diversity', self.diversity)}: must be 0 or more, for example 0.5"
            )
        expect_one_of("device", self.device, DEVICES)
        expect_seed(self.seed)
        self._at_least("trials", 1)
        self._at_least("starts", 2, " (a score needs the spread of two examples)")
        self._at_least("max_steps", 1)
        self._at_least("workers", 1)
        if self.time_budget is not None and not 0 < self.time_budget < math.inf:
            raise UserError(
                f"{option('time_budget', self.time_budget)}: must be more than 0 seconds"
            )
        for name in ("neuron", "pack", "space", "out", "resume", "ray_address", "mlflow_uri"):
            value = getattr(self, name)
            if value is not None and not value.strip():
                raise UserError(f"{option(name)} is empty")
            if value is not None and "\0" in value:  # which no path or address can have
                raise UserError(f"{option(name, value)} has a NUL character: leave it out")
        if self.quiet and self.json:
            raise UserError(
                f"{option('quiet', True)} and {option('json', True)} exclude each other"
            )
        if self.resume is not None and self.out is not None:
            raise UserError(
                f"{option('out')} and {option('resume')} exclude each other: a resumed run keeps "
                "its folder"
            )

    def _at_least(self, name: str, lowest: int, reason: str = "") -> None:
        value = getattr(self, name)
        if value is not None and value < lowest:
            raise UserError(f"{option(name, value)}: must be at least {lowest}{reason}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def parse(arguments: Sequence[str]) -> tuple[SearchConfig, frozenset[str]]:
    """The search that `arguments` ask for, and the names of the fields they give."""
    given = vars(_parser().parse_args(list(arguments)))
    return SearchConfig(**given), frozenset(given)


def resumed(stored: dict[str, Any], now: SearchConfig, given: frozenset[str]) -> SearchConfig:
    """The stored search with what `now` changes; what defines the search cannot change."""
    by_name = {spec.name: spec for spec in fields(SearchConfig)}
    for name in sorted(given):
        before = stored.get(name, by_name[name].default)  # searches from before there was `name`
        if not by_name[name].metadata["resumable"] and getattr(now, name) != before:
            raise UserError(
                f"{option(name, getattr(now, name))}: a resumed search keeps its "
                f"{name.replace('_', ' ')} ({before}); start a new one with {option('out')}"
            )
    changes = {name: getattr(now, name) for name in given if by_name[name].metadata["resumable"]}
    passing = {name: getattr(now, name) for name in _PASSING}
    return SearchConfig(**{**stored, **passing, **changes, "out": None, "resume": now.resume})


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m tune_am.search",
        description="Find the activation-maximisation settings that explain a neuron best.",
        argument_default=argparse.SUPPRESS,
    )
    for spec in fields(SearchConfig):
        add_field(parser, spec, spec.metadata["shown"])
    return parser


_LONGEST = 48  # letters of a neuron, or of a list of them, in the name of a folder


def default_folder(neuron: str, stamp: str) -> Path:
    """Where a run goes when --out does not say."""
    name = neuron.replace("*", "all")[:_LONGEST]
    return Path("tune_am_runs") / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', name)}-{stamp}"
