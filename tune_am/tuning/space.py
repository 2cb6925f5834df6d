"""A search space: which settings may be tried, as one small Python file.

The file defines ``space(trial) -> dict``, Optuna's define-by-run: it draws from `trial` and returns
settings of one ascent by the names of `tune_am.am.settings.Settings`. It may also set

    POINTS          list of dicts of drawn parameters, tried first, in this order
    REPORT_POINTS   steps at which a trial is scored, rising
    STARTS, TRIALS  used where the command line does not say
    EARLY_STOPPING  False lets every trial run to its end, unless the command line says otherwise
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
from optuna.distributions import FloatDistribution, IntDistribution

from tune_am.am.settings import Settings
from tune_am.errors import UserError, reason

# Draws that a space is tried with before a search begins, so that a rare bad branch shows.
REHEARSALS = 64

_CONSTANTS = {  # what each must be
    "POINTS": "a list of dicts of what the space draws",
    "REPORT_POINTS": "a list of whole numbers above 0, rising",
    "STARTS": "a whole number from 2",
    "TRIALS": "a whole number from 1",
    "EARLY_STOPPING": "True or False",
}


class SpaceError(UserError):
    """A space draws what no ascent can have; names the space."""


@dataclass(frozen=True)
class Space:
    """A checked search space; `source` is the text of its file, which a resumed search reads."""

    name: str
    source: str
    draw: Callable[[optuna.trial.BaseTrial], Any]
    points: tuple[dict[str, Any], ...] = ()
    report_points: tuple[int, ...] | None = None
    starts: int | None = None
    trials: int | None = None
    early_stopping: bool = True

    def settings(self, trial: optuna.trial.BaseTrial) -> Settings:
        """The settings that `trial` draws; raises `SpaceError`."""
        try:
            return Settings.from_dict(_dict(self.draw(trial)))
        except UserError as error:
            raise SpaceError(f"space {self.name}: {error}") from None
        except (Exception, SystemExit) as error:
            raise SpaceError(f"space {self.name}: {reason(error, kind=True)}") from None


def shipped() -> dict[str, Path]:
    """The spaces that come with the package, by name."""
    installed = Path(str(files("tune_am"))) / "search_spaces"
    # In the source tree they lie beside the package, where a user finds them to copy.
    folder = installed if installed.is_dir() else installed.parents[1] / "search_spaces"
    return {path.stem: path for path in sorted(folder.glob("[a-z]*.py"))}


def load(name: str) -> Space:
    """The space called `name`, or in the file `name`."""
    path = _file(name)
    if path is None:
        raise UserError(f"no space {name!r}; there are {', '.join(shipped())}, or give a .py file")
    try:
        source = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise UserError(f"cannot read space {name}: {reason}") from None
    return from_source(name, source)


def _file(name: str) -> Path | None:
    """The file of the space called `name`; None where there is no such space."""
    return Path(name) if name.endswith(".py") or "/" in name else shipped().get(name)


def from_source(name: str, source: str, rehearsed: bool = False) -> Space:
    """A space from the text of its file, tried out before it is used, unless a search has used it
    already. Raises `UserError`."""
    module = ModuleType("search_space_of_tune_am")
    if (path := _file(name)) is not None:
        module.__file__ = str(path.absolute())
    # A dataclass looks up its module by name, in `space` too: so it stays there.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        raise UserError(f"space {name}: {reason(error, kind=True)}") from None
    if not callable(getattr(module, "space", None)):
        raise UserError(f"space {name}: must define space(trial), which returns a dict of settings")
    constants = {key: getattr(module, key) for key in _CONSTANTS if hasattr(module, key)}
    made = Space(name, source, module.space, **_checked(name, constants))
    if not rehearsed:
        _rehearse(made)
    return made


def _checked(name: str, constants: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in constants.items():
        if key == "EARLY_STOPPING":
            good = isinstance(value, bool)
        elif key in ("STARTS", "TRIALS"):
            good = type(value) is int and value >= (2 if key == "STARTS" else 1)
        elif key == "REPORT_POINTS":
            value = tuple(value) if isinstance(value, list | tuple) else ()
            whole = all(type(point) is int and point > 0 for point in value)
            good = bool(value) and whole and list(value) == sorted(set(value))
        else:
            value = tuple(value) if isinstance(value, list | tuple) else None
            good = value is not None and all(isinstance(point, dict) for point in value)
        if not good:
            raise UserError(f"space {name}: {key} is {constants[key]!r}: give {_CONSTANTS[key]}")
        values[key.lower()] = value
    return values


def _dict(drawn: Any) -> Mapping[str, Any]:
    if isinstance(drawn, Mapping):
        return drawn
    if inspect.iscoroutine(drawn):
        drawn.close()  # or Python warns that nobody waited for it
    gave = "None" if drawn is None else f"a value of type {type(drawn).__name__}"
    raise UserError(f"space(trial) must return a dict of settings, it gave {gave}")


def _rehearse(space: Space) -> None:
    """Draw from the space, points first; a point must name parameters that the space draws, within
    their ranges."""
    with quiet_optuna():
        # One name drawn from two ranges: Optuna gives the first value for both.
        warnings.filterwarnings("error", "Inconsistent parameter values", RuntimeWarning)
        # A tuple comes back from the journal as a list, and no sampler can propose it.
        warnings.filterwarnings("error", "Choices for a categorical distribution", UserWarning)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for point in space.points:
            study.enqueue_trial(point)
            trial = study.ask()
            space.settings(trial)
            for key, value in point.items():
                drawn_from = trial.distributions.get(key)
                # Optuna notes 1.5 as it stands, and draws 1.
                cut = isinstance(drawn_from, IntDistribution) and int(value) != value
                if drawn_from is None or trial.params[key] != value or cut:
                    raise UserError(
                        f"space {space.name}: the point {point} sets {key}={value!r}, "
                        f"which the space does not draw"
                    )
                if isinstance(drawn_from, FloatDistribution | IntDistribution):
                    low, high = drawn_from.low, drawn_from.high
                    if not low <= float(value) <= high:
                        raise UserError(
                            f"space {space.name}: the point {point} sets {key}={value!r}, "
                            f"beyond {low:g} to {high:g}"
                        )
        drawn = []
        for _ in range(REHEARSALS):
            space.settings(trial := study.ask())
            drawn.append(trial)
        for at_its_end in _ends(drawn):  # which random draws miss, and samplers like
            study.enqueue_trial(at_its_end)
            space.settings(study.ask())


def _ends(drawn: Sequence[optuna.Trial]) -> list[dict[str, Any]]:
    """Each of the numbers in turn as low and as high as it may get, after what is drawn before it;
    the ranges of what comes after may depend on it."""
    ends: dict[tuple[str, float], dict[str, Any]] = {}
    for trial in drawn:
        before: dict[str, Any] = {}
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, FloatDistribution | IntDistribution):
                for end in (distribution.low, distribution.high):
                    ends.setdefault((name, end), {**before, name: end})
            before[name] = trial.params[name]
    return list(ends.values())


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keeps Optuna's remarks off the user's screen."""
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)
