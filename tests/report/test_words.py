"""The report's sentences say no more than its numbers do."""

from __future__ import annotations

from typing import Any

import pytest

from tune_am.am.objectives import DEFAULT, DIVERGED_PENALTY, OBJECTIVES
from tune_am.am.settings import Settings
from tune_am.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1.2166, "1.22"),
        (537.21, "537"),
        (12345.6, "12346"),
        (0.01, "0.01"),
        (-1.8998, "−1.9"),
        (100.0, "100"),
        (0.0000123, "1.2e-05"),
        (1e6, "1e+06"),
        (-102690.0, "−1.03e+05"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert words.number(value) == text


def test_values_that_stand_together_are_equally_exact() -> None:
    assert words.numbers([35.34, -0.657, 9]) == ["35.3", "−0.7", "9.0"]
    assert words.numbers([0.0123, 0]) == ["0.0123", "0.0000"]
    assert words.numbers([1234.5]) == ["1234"]
    assert words.numbers([0.0]) == ["0"]
    assert words.numbers([]) == []
    assert words.difference(22.14, 21.1, 1) == "22.1 − 21.1"
    assert words.difference(-18, -17.4, 1) == "−18.0 + 17.4"
    assert words.interval([0.0432, 37.03]) == "0 to 37"
    assert words.interval([422.67, 665.47]) == "423 to 665"
    assert words.interval(None) == "not re-scored"


def test_settings_name_what_is_not_as_by_default() -> None:
    said = words.settings_in_words
    assert said(Settings(lr=0.2, l2=0.0).to_dict()) == "lr 0.2, l2 0"
    assert said(Settings(momentum=0.3).to_dict()) == "lr 0.05, l2 0.1"  # adam does not read it
    varied = Settings(optimizer="sgd", momentum=0.3, normalize_grad=True, schedule="inverse_sqrt")
    assert said(varied.to_dict()) == (
        "lr 0.05, l2 0.1, sgd, momentum 0.3, inverse sqrt schedule, normalize grad"
    )


def row(fid: float, low: float, high: float, **more: Any) -> dict[str, Any]:
    settings = Settings(lr=0.2, l2=0.01).to_dict()
    about = {"settings": settings, "step": 40, "starts": 50}
    return {"activation_fid": fid, "ci95": [low, high], **about, **more}


CONTROLS = {
    "never_optimised": row(537, 420, 660),
    "random_classifier": row(450, 350, 570),
    "real_vs_real": row(3.7, 0.02, 16),
}


def test_the_answer_is_two_sentences_with_the_interval() -> None:
    first, second = words.answer(row(1.217, 0, 16.1), CONTROLS, "max")
    assert first == (
        "With lr 0.2, l2 0.01, at 40 steps, the 50 examples are at an activation-FID of 1.22 "
        "(95 % interval 0 to 16.1) from the real excerpts that excite the neuron most."
    )
    assert second == (
        "By the same measure: never optimised 537, random classifier 450, real against real 3.7; "
        "the examples excite the neuron as real ones do, and a classifier that learnt nothing does "
        "not lead to such."
    )
    assert "excite the neuron least" in words.answer(row(1, 0, 2), CONTROLS, "min")[0]


@pytest.mark.parametrize(
    ("best", "changes", "said"),
    [
        (row(60, 40, 90), {}, "do not yet excite the neuron as real ones do, and"),
        (row(60, 40, 360), {}, "they may show the prior, not the neuron"),
        (row(300, 200, 430), {}, "not clearly nearer to the real ones than random latents"),
        (row(5, 1, 20), {"random_classifier": row(8, 2, 30)}, "they may show the prior"),
    ],
)
def test_a_claim_needs_intervals_that_are_apart(
    best: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    told = words.verdict(best, CONTROLS | changes)
    assert said in told
    as_real = "as real ones do" in told and "do not yet" not in told
    assert words.as_real(best, CONTROLS | changes) is as_real


def test_a_control_without_examples_beats_nothing_and_is_beaten_by_nothing() -> None:
    none = row(DIVERGED_PENALTY, DIVERGED_PENALTY, DIVERGED_PENALTY) | {"n": 1}
    controls = CONTROLS | {"random_classifier": none}
    _, second = words.answer(row(5, 1, 20), controls, "max")
    assert "random classifier –" in second
    assert second.endswith("a classifier that learnt nothing gave none to hold against them.")
    assert words.interval(none["ci95"]) == "too few examples"
    coverage = OBJECTIVES["coverage"]
    assert words.interval([0.0, 0.0], coverage) == "too few examples"
    assert words.interval([0.0, 0.0]) == "0 to 0"  # of a unit that never varies
    assert words.interval([0.0, 0.1]) == "0 to 0.1"


def test_a_search_that_was_stopped_claims_nothing() -> None:
    stopped = row(9.3, 0, 0) | {"ci95": None}
    first, second = words.answer(stopped, {}, "max")
    assert "of 9.3 (in the search, not scored again on fresh starts) from" in first
    assert "stopped before its controls" in second


def test_runners_up_that_cannot_be_told_apart() -> None:
    best = row(1.2, 0, 16)
    said = "Within the interval of the best lies the score of 1 of 2 runners-up: with 50 examples"
    assert words.ties(best, [row(2, 0, 19), row(30, 20, 40)]).startswith(said)
    # Intervals that overlap are not enough: the score itself must lie within.
    assert words.ties(best, [row(30, 10, 40)]).startswith("No runner-up's score lies within")
    assert (
        words.ties(best, [row(30, 20, 40)])
        == "No runner-up's score lies within the interval of the best."
    )
    assert words.ties(best, []) == ""
    tied = [row(2, 0, 19)] * 2
    both = "Within the interval of the best lie the scores of 2 of 2 runners-up:"
    assert words.ties(best, tied).startswith(both)
    assert "decided" not in words.ties(best, [row(2, 0, 19)])
    lower = words.ties(best, [row(1, 0, 19)])
    assert lower.startswith(
        "Within the interval of the lowest score lies the score of 1 of 1 runner-"
    )
    assert lower.endswith("So the layer before the neuron\u2019s decided (layer-FID).")


def test_runners_up_that_are_too_much_alike_did_not_lose_by_their_score() -> None:
    best, alike = row(2, 1, 3), row(0.1, 0, 0.3, collapse=0.4)
    said = "The examples of 1 of 1 runner-up are less far apart than asked for."
    assert words.ties(best, [alike]) == said
    both = words.ties(best, [alike, row(30, 20, 40)])
    assert both.startswith("The examples of 1 of 2 runners-up are less far apart")
    assert both.endswith("No runner-up's score lies within the interval of the best.")
    none = words.ties(row(2, 1, 3, collapse=0.1), [alike])
    assert none == "None of these settings has examples as far apart as asked for."
    first, _ = words.answer(row(2, 1, 3, collapse=0.25), CONTROLS, "max")
    assert "75 % as far apart as the diversity asked for: none scored again keeps that." in first


def test_controls_say_which_way_is_better() -> None:
    for direction, made, worse, better, most in (
        ("max", DEFAULT, "above", "below", "most"),
        ("min", OBJECTIVES["coverage"], "below", "above", "least"),
    ):
        told = words.controls(direction, made)
        assert f"far {worse} the best" in told["never_optimised"][2]
        assert f"of the 100 real excerpts that excite the neuron {most};" in told["real_vs_real"][1]
        assert told["real_vs_real"][2].endswith(f"needs to be {better}")


def test_the_question_names_neuron_and_direction() -> None:
    asked = {"neuron": "fc8:1", "direction": "min", "searched": True}
    assert words.question(asked) == (
        "Which settings of activation maximisation make examples that excite the neuron fc8:1 as "
        "little as the real excerpts that excite it least?"
    )
    assert words.question(asked | {"searched": False}).startswith("Do these settings make")


def test_long_numbers_of_an_interval_have_exponents():
    assert words.interval([36404143.0, 167456968.0]) == "3.64e+07 to 1.67e+08"
