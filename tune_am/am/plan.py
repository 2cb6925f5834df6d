"""What all trials of a search have in common."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

from tune_am.am.measures import Measure, measure
from tune_am.am.objectives import DEFAULT, Objective, objective
from tune_am.choices import SIGNS, expect_one_of, expect_seed
from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.naming import option


@dataclass(frozen=True)
class Plan:
    """The question a search asks of every setting, checked on construction (`UserError`).

    neuron: its name in the pack. starts: latents per trial. report_points: steps at which a trial
    is scored, rising. seed: that of the starts, the same for every trial: settings are compared on
    common random numbers. objective: what a trial is scored by, a name of
    `tune_am.am.objectives` or "module:function"; the latter is imported only if `trust_code`.
    apart: the least mean RMS difference of two examples, in units of the input; 0 allows any.
    at_once: starts that ascend together; None leaves it to the device (`device.default_chunk`).
    """

    neuron: str
    direction: str = "max"
    starts: int = 50
    report_points: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    seed: int = 0
    device: str = "cpu"
    objective: str = DEFAULT.name
    trust_code: bool = False
    apart: float = 0.0
    at_once: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "report_points", tuple(self.report_points))
        expect_one_of("direction", self.direction, SIGNS)
        expect_seed(self.seed)
        fewest = objective(self.objective).fewest
        if self.starts < fewest:
            raise UserError(
                f"{counted(self.starts, 'start')}: a score by {self.objective} needs at least "
                f"{fewest} starts: give them with {option('starts')}"
            )
        if not 0 <= self.apart < math.inf:
            raise UserError(f"apart={self.apart} is not allowed: must be 0 or more")
        rising = sorted(set(self.report_points))
        if not rising or list(self.report_points) != rising or rising[0] < 1:
            raise UserError(
                f"report_points={self.report_points} is not allowed: must be rising steps from 1"
            )

    @property
    def max_steps(self) -> int:
        return self.report_points[-1]

    @property
    def scored_by(self) -> Objective:
        """The objective, for its name and direction."""
        return objective(self.objective)

    def measure(self) -> Measure:
        """The objective, to be measured; imports that of a user's. Raises `UserError`."""
        return measure(self.objective, self.trust_code)

    def on(self, starts: int) -> Plan:
        """The same plan on so many starts, as many at once as its trials have: an accelerator with
        room for those need not have room for more."""
        if self.device == "cpu":
            return replace(self, starts=starts)
        return replace(self, starts=starts, at_once=min(self.starts, starts))

    def fresh(self, stream: str) -> Plan:
        """The same plan on other starts: those of the named stream, fixed by the seed."""
        return replace(self, seed=fresh_seed(self.seed, stream))


def fresh_seed(seed: int, stream: str) -> int:
    """That of the named stream, fixed by `seed`."""
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def report_points(first: int, max_steps: int) -> tuple[int, ...]:
    """Steps doubling from `first`, the last one `max_steps`.

    (8, 100) gives 8, 16, 32, 64, 100. Raises `UserError` unless both are at least 1.
    """
    if first < 1 or max_steps < 1:
        raise UserError(
            f"report points from {first} to {max_steps} are not allowed: both must be at least 1"
        )
    points: list[int] = []
    while first < max_steps:
        points.append(first)
        first *= 2
    return (*points, max_steps)
