"""The options of a search as keywords of a function: those of the command line, checked alike."""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypedDict

from tune_am.errors import UserError
from tune_am.naming import flag, option
from tune_am.packs.units import several
from tune_am.tuning.config import SearchConfig, duration

if TYPE_CHECKING:
    from tune_am.packs.pack import Pack

# Options that say what a command prints: a library has `progress` and `on_event` instead.
_OF_THE_COMMAND = frozenset({"json"})


class SearchOptions(TypedDict, total=False):
    """The fields of `SearchConfig`, where their defaults and meanings stand, for type checkers."""

    pack: str | os.PathLike[str] | Pack
    prior: str | None
    space: str | os.PathLike[str]
    direction: str
    objective: str
    sampler: str
    scheduler: str | None
    diversity: float
    trials: int | None
    starts: int | None
    max_steps: int | None
    seed: int
    workers: int | None
    device: str
    out: str | os.PathLike[str] | None
    resume: str | os.PathLike[str] | None
    ray_address: str | None
    mlflow_uri: str | None
    time_budget: float | str | None
    no_report: bool
    trust_code: bool
    quiet: bool


def from_keywords(options: Mapping[str, Any]) -> tuple[SearchConfig, frozenset[str]]:
    """The search that `options` ask for, and the names of the fields they give (`UserError`)."""
    kinds = {
        spec.name: spec.metadata["kind"]
        for spec in fields(SearchConfig)
        if spec.name not in _OF_THE_COMMAND
    }
    for name in options:
        if name not in kinds:
            raise UserError(f"a search has no option {name!r}; there are {', '.join(kinds)}")
    given = {name: value for name, value in options.items() if value is not None}
    given = with_prior(given)
    values = {name: checked(name, kinds[name], value) for name, value in given.items()}
    return SearchConfig(**values), frozenset(values)


def with_prior(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options`, and the prior of a pack that was loaded with another than its own, which the
    pack's folder does not tell (`UserError` where `prior` contradicts it)."""
    pack = options.get("pack")
    kind, now = getattr(pack, "prior_kind", "gan"), options.get("prior")
    if pack is None or kind == "gan":  # a pack has a generator as its own prior only
        return dict(options)
    made = type(pack.prior)
    if pack.described.prior.factory == f"{made.__module__}:{made.__qualname__}":
        return dict(options)
    if now not in (None, kind):
        raise UserError(f"{option('prior', now)}: the pack was loaded with {option('prior', kind)}")
    return {**options, "prior": kind}


def joined(neurons: Sequence[str]) -> str:
    """A list of neurons as the command line has it (`UserError`)."""
    if not neurons or not all(isinstance(name, str) for name in neurons):
        raise UserError(f"neuron={neurons!r}: must be a text, or a list of texts that is not empty")
    text = ",".join(neurons)
    return text if several(text) else f"{text},"  # as Python writes a tuple of one


def command_line(config: SearchConfig, given: frozenset[str]) -> str:
    """What to type for the same search, in the order of the options."""
    words = ["python", "-m", "tune_am.search"]
    for spec in fields(SearchConfig):
        if spec.name in given - {"quiet"}:
            value = getattr(config, spec.name)
            if spec.metadata["kind"] is not bool:
                words += [flag(spec.name), str(value)]
            elif value:
                words.append(flag(spec.name))
    return shlex.join(words)


def parameters() -> list[inspect.Parameter]:
    """Keywords and defaults, for who asks a function of `**options` what it takes."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(spec.name, kind, default=spec.default)
        for spec in fields(SearchConfig)
        if spec.name not in {"neuron", *_OF_THE_COMMAND}
    ]


def checked(name: str, kind: Any, value: Any) -> Any:
    """`value` as the command line would have read it."""
    if kind is duration and isinstance(value, str):
        try:
            return duration(value)
        except UserError as error:
            raise UserError(f"{name}={error}") from None
    if kind in (duration, float):
        wanted = "seconds or a text like 5m" if kind is duration else "a number"
        kind, good = float, isinstance(value, int | float) and not isinstance(value, bool)
    elif kind is str:
        value = getattr(value, "path", value) if name == "pack" else value  # a pack is its folder
        if isinstance(value, os.PathLike):
            # A bare text may name a shipped pack, a path never does.
            value = os.path.join(os.curdir, value) if name == "pack" else os.fspath(value)
        good, wanted = isinstance(value, str), "a text"
    elif kind is bool:
        good, wanted = isinstance(value, bool), "True or False"
    else:
        good = isinstance(value, Integral) and not isinstance(value, bool)  # NumPy's are Integral
        wanted = "a whole number"
    if not good:
        raise UserError(f"{name}={value!r}: must be {wanted}")
    return kind(value)
