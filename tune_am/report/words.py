"""The report's sentences: what was asked, what came out and whether to believe it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tune_am.am.objectives import DEFAULT, DIVERGED_PENALTY, Objective
from tune_am.am.random_classifier import CLASSIFIERS
from tune_am.am.settings import Settings
from tune_am.counting import counted, plural
from tune_am.packs.reference import TAIL
from tune_am.tuning.result_format import TITLES, settings_read


def controls(direction: str, objective: Objective = DEFAULT) -> dict[str, tuple[str, str, str]]:
    """Of each control its title, what it is and what it tells."""
    most, _ = how(direction)
    worse, better = ("below", "above") if objective.maximise else ("above", "below")
    told = {
        "never_optimised": (
            "random latents, no ascent",
            f"what the prior gives by itself; it must be far {worse} the best",
        ),
        "random_classifier": (
            f"the same ascent on {CLASSIFIERS} classifiers with random weights; the interval is "
            "over classifiers",
            "if close to the best, the examples show the prior, not the neuron",
        ),
        "real_vs_real": (
            f"two halves of the {2 * TAIL} real excerpts that excite the neuron {most}; the score "
            f"is against the {TAIL} {most} exciting",
            f"the noise floor: nothing needs to be {better}",
        ),
    }
    return {name: (title, *told[name]) for name, title in TITLES.items()}


LONG = 1e5  # from here on with an exponent


def number(value: float | None) -> str:
    """Three significant digits, without an exponent where that is short."""
    if value is None or not math.isfinite(value) or value >= DIVERGED_PENALTY:
        return "–"
    if value == 0 or 1e-3 <= abs(value) < LONG:
        return _short(fixed(value, decimals_of([value])))
    text = f"{abs(value):.{3 if abs(value) >= LONG else 2}g}"
    return f"\N{MINUS SIGN}{text}" if value < 0 else text


def numbers(values: Sequence[float]) -> list[str]:
    """Values that stand together, with as many decimals as give the largest three digits; where
    that is long, each with an exponent."""
    if max(map(abs, values), default=0.0) >= LONG:
        return [number(value) for value in values]
    decimals = decimals_of(values)
    return [fixed(value, decimals) for value in values]


def decimals_of(values: Sequence[float]) -> int:
    """As many as give the largest three digits."""
    largest = max(map(abs, values), default=0.0)
    return max(0, 2 - math.floor(math.log10(largest))) if largest else 0


def fixed(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def difference(one: float, other: float, decimals: int) -> str:
    """ "22.1 − 21.1", or "−18.0 + 17.4" where the other is negative."""
    sign = "−" if other >= 0 else "+"
    return f"{fixed(one, decimals)} {sign} {fixed(abs(other), decimals)}"


def interval(ci95: Sequence[float] | None, objective: Objective = DEFAULT) -> str:
    """Both ends as exact as the upper one needs: "0 to 16.1"."""
    if not ci95:
        return "not re-scored"
    if ci95[0] == ci95[1] == objective.worst:  # one that is measured as that has a width
        return "too few examples"
    low, high = map(_short, numbers(ci95))
    return f"{low} to {high}"


def _short(text: str) -> str:
    """Without zeros at the end of the decimals."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """Step size and penalty, and whatever else is not as by default: "lr 0.2, l2 0.01, sgd"."""
    usual = Settings().to_dict()
    words = [f"lr {number(settings['lr'])}", f"l2 {number(settings['l2'])}"]
    for name, value in settings_read(settings).items():
        if name in ("lr", "l2") or value == usual[name]:
            continue
        label = name.replace("_", " ")
        if isinstance(value, bool):
            words.append(label)
        else:
            words.append(value if isinstance(value, str) else f"{label} {number(value)}")
    return ", ".join(words).replace("inverse_sqrt", "inverse sqrt schedule")


def how(direction: str) -> tuple[str, str]:
    """ "most" and "strongly", or their opposites."""
    return ("most", "strongly") if direction == "max" else ("least", "little")


def question(result: Mapping[str, Any]) -> str:
    """result: neuron, direction and whether settings were searched for or given."""
    most, strongly = how(result["direction"])
    which = (
        "Which settings of activation maximisation" if result["searched"] else "Do these settings"
    )
    return (
        f"{which} make examples that excite the neuron {result['neuron']} as {strongly} as the "
        f"real excerpts that excite it {most}?"
    )


def answer(
    row: Mapping[str, Any],
    controls: Mapping[str, Any],
    direction: str,
    objective: Objective = DEFAULT,
) -> list[str]:
    """Two sentences: the score of `row` with its interval, and what the controls say of it."""
    most, _ = how(direction)
    sure = f"95 % interval {interval(row['ci95'], objective)}"
    if not row["ci95"]:
        sure = "in the search, not scored again on fresh starts"
    first = (
        f"With {settings_in_words(row['settings'])}, at {counted(row['step'], 'step')}, the "
        f"{row['starts']} examples {_are_at(row, objective)} ({sure}) "
        f"{'of' if objective.maximise else 'from'} the real excerpts that excite the neuron {most}."
    )
    if row.get("collapse", 0) > 0:
        share = f"{1 - row['collapse']:.0%}".replace("%", " %")
        first += (
            f" They are {share} as far apart as the diversity asked for: none scored again keeps "
            "that."
        )
    if not comparable(row, controls):
        return [first, "The search was stopped before its controls: nothing says how good that is."]
    levels = [
        f"{title} {number(controls[name][objective.metric])}" for name, title in TITLES.items()
    ]
    return [
        first,
        f"By the same measure: {', '.join(levels)}; {verdict(row, controls, objective)}.",
    ]


def _are_at(row: Mapping[str, Any], objective: Objective) -> str:
    value = number(row[objective.metric])
    if objective.maximise:
        return f"have a {objective.label} of {value}"
    if objective.foreign:
        return f"are at {value} by {objective.label}"
    return f"are at {'an' if objective.label[0] in 'aeiou' else 'a'} {objective.label} of {value}"


def comparable(row: Mapping[str, Any], controls: Mapping[str, Any]) -> bool:
    """Whether there is anything to read the score against."""
    return bool(row["ci95"]) and set(TITLES) <= set(controls)


def verdict(
    row: Mapping[str, Any], controls: Mapping[str, Any], objective: Objective = DEFAULT
) -> str:
    """What the controls allow to be said of a score; each claim needs intervals that are apart."""
    if not apart(row, controls["never_optimised"], objective):
        return "the examples are not clearly nearer to the real ones than random latents are"
    # Of the objectives one alone compares what the neuron itself does.
    does = "excite the neuron" if objective.name == DEFAULT.name else "score"
    real = f"{does} as real ones do"
    if not as_real(row, controls, objective):
        real = f"do not yet {does} as real ones do"
    if not scored(controls["random_classifier"], objective):
        return (
            f"the examples {real}; a classifier that learnt nothing gave none to hold against them"
        )
    if not apart(row, controls["random_classifier"], objective):
        return (
            f"the examples {real}, but those of a classifier that learnt nothing cannot be told "
            "from them by the score: they may show the prior, not the neuron"
        )
    return f"the examples {real}, and a classifier that learnt nothing does not lead to such"


def as_real(
    row: Mapping[str, Any], controls: Mapping[str, Any], objective: Objective = DEFAULT
) -> bool:
    """Whether a score is surely better than that of random latents, and one that real excerpts
    against real ones have too."""
    floor = max(objective.loss(end) for end in controls["real_vs_real"]["ci95"])
    near = objective.loss(row[objective.metric]) <= floor
    return near and apart(row, controls["never_optimised"], objective)


def scored(row: Mapping[str, Any], objective: Objective) -> bool:
    """Whether a setting or a control had examples enough to be scored: an ascent may diverge, on
    random weights or on fresh starts."""
    examples = row.get("n", row.get("starts", objective.fewest))
    return examples >= objective.fewest and row[objective.metric] < DIVERGED_PENALTY


def apart(row: Mapping[str, Any], control: Mapping[str, Any], objective: Objective) -> bool:
    """Whether `row` is surely better: its interval does not reach that of the control."""
    worst = max(objective.loss(end) for end in row["ci95"])
    return bool(worst < min(objective.loss(end) for end in control["ci95"]))


def ties(
    best: Mapping[str, Any], others: Sequence[Mapping[str, Any]], objective: Objective = DEFAULT
) -> str:
    """Whether the runners-up are worse at all, as `tuning.finalists.ranked` sees it; those whose
    examples are less far apart than asked for come after the others, whatever their score."""
    if not others or not best["ci95"]:
        return ""
    who = counted(len(others), "runner-up", "runners-up")
    near = sum(row.get("collapse", 0) > 0 for row in others)
    if near and not best.get("collapse", 0):
        text = f"The examples of {near} of {who} are less far apart than asked for."
        others = [row for row in others if not row.get("collapse", 0)]
        return f"{text} {ties(best, others, objective)}".rstrip()
    if near:
        return "None of these settings has examples as far apart as asked for."
    loss = {id(row): objective.loss(row[objective.metric]) for row in (best, *others)}
    scored = [row for row in others if row["ci95"]]
    first = min((best, *scored), key=lambda row: loss[id(row)])
    reach = max(objective.loss(end) for end in first["ci95"])
    tied = sum(loss[id(row)] <= reach for row in scored)
    if tied == 0:
        return "No runner-up's score lies within the interval of the best."
    whose = "the best" if first is best else f"the {objective.best_is} score"
    text = (
        f"Within the interval of {whose} {plural(tied, 'lies the score', 'lie the scores')} of "
        f"{tied} of {who}: with {best['starts']} examples they cannot be told apart."
    )
    decided = "So the layer before the neuron’s decided (layer-FID)."
    if objective.others:
        decided = f"So the second objective decided ({objective.second.label})."
    return text if first is best else f"{text} {decided}"
