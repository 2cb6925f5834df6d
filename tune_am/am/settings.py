"""The hyper-parameters of one ascent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from tune_am.errors import UserError


def _number(default: float, allowed: str, check: Callable[[Any], bool], help: str) -> Any:
    """A numeric setting; an integer default makes it an integer setting."""
    kind = type(default)
    return field(
        default=default, metadata={"help": help, "allowed": allowed, "check": check, "kind": kind}
    )


def _choice(default: str | bool, options: tuple[str | bool, ...], help: str) -> Any:
    allowed = "one of " + ", ".join(str(option) for option in options)
    return field(
        default=default,
        metadata={
            "help": help,
            "allowed": allowed,
            "check": options.__contains__,
            "kind": type(default),
        },
    )


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one ascent, checked on construction (`UserError`).

    The number of steps is not among them: it is the fidelity at which a setting is judged, so every
    setting must make sense at any horizon. ``fields(Settings)`` carry the help of each one in
    ``metadata["help"]`` and what is allowed in ``metadata["allowed"]``.
    """

    lr: float = _number(
        0.05, "> 0, at most 1e30", lambda v: 0 < v <= 1e30, "step size of the optimiser"
    )
    l2: float = _number(
        0.1, ">= 0", lambda v: v >= 0, "weight of the penalty on the squared norm of the latent"
    )
    optimizer: str = _choice("adam", ("adam", "sgd"), "rule that turns gradients into steps")
    momentum: float = _number(
        0.9, ">= 0 and < 1", lambda v: 0 <= v < 1, "momentum of sgd (adam does not read it)"
    )
    schedule: str = _choice(
        "constant",
        ("constant", "inverse_sqrt"),
        "step size over time; inverse_sqrt divides lr by sqrt(1 + steps done)",
    )
    init_scale: float = _number(
        1.0, "> 0", lambda v: v > 0, "standard deviation of the starts before truncation"
    )
    truncation: float = _number(
        0.0,
        ">= 0",
        lambda v: v >= 0,
        "starts are drawn within this many standard deviations of zero; 0 turns it off",
    )
    radius: float = _number(
        0.0,
        ">= 0",
        lambda v: v >= 0,
        "latents are kept within this many times their typical length, the root of how many "
        "numbers they have; 0 turns it off",
    )
    normalize_grad: bool = _choice(
        False,
        (False, True),
        "divide each start's activation gradient by its RMS, so that lr and l2 mean the same "
        "with any neuron",
    )
    jitter: int = _number(
        0,
        ">= 0, at most 1e6",
        lambda v: 0 <= v <= 10**6,
        "largest random shift of the input at each step, positions: of a spectrogram or a curve in "
        "time, of a picture along rows and columns, of features none",
    )
    gain: float = _number(
        0.0,
        ">= 0",
        lambda v: v >= 0,
        "largest random gain, added to all of the input at each step: nats of a log-mel",
    )
    tv: float = _number(
        0.0,
        ">= 0",
        lambda v: v >= 0,
        "weight of the penalty on the input's total variation: squared differences of neighbours "
        "in time, bands, rows and columns, summed (Mahendran and Vedaldi 2015, with β = 2)",
    )
    blur: float = _number(
        0.0,
        ">= 0",
        lambda v: v >= 0,
        "standard deviation of a Gaussian blur of the input at each step, in time, bands, rows "
        "and columns; the gradient is blurred with it",
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = _coerced(getattr(self, spec.name), spec.metadata["kind"])
            if value is None or not spec.metadata["check"](value):
                raise UserError(
                    f"setting {spec.name}={getattr(self, spec.name)!r} is not allowed: must be "
                    f"{_describe(spec.metadata)} ({spec.metadata['help']})"
                )
            object.__setattr__(self, spec.name, value)  # so that 1 and 1.0 are the same setting

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(spec.name for spec in fields(cls))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from a mapping; what is missing keeps its default, unknown names are refused."""
        unknown = [name for name in values if name not in cls.names()]
        if unknown:
            raise UserError(f"unknown setting {unknown[0]!r}; allowed: {', '.join(cls.names())}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _coerced(value: Any, kind: type) -> Any:
    """`value` as `kind` (a NumPy scalar becomes a plain number), None where it is not one."""
    if kind in (str, bool):
        value = value.item() if isinstance(value, np.bool_) else value
        return value if isinstance(value, kind) else None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    if kind is int and not isinstance(value, Integral):
        return None
    return kind(value)


def _describe(metadata: Mapping[str, Any]) -> str:
    words = {float: "a finite number ", int: "a whole number "}
    return words.get(metadata["kind"], "") + str(metadata["allowed"])
