from __future__ import annotations

import math
from collections import Counter

import pytest

from tune_am.am.objectives import OBJECTIVES, objective
from tune_am.tuning.campaign.rules import FIRST, Course, most_proven, next_neuron


def test_every_neuron_gets_its_first_trials_in_turn() -> None:
    courses = {name: Course(1.0) for name in "abc"}
    order = []
    for _ in range(3 * FIRST):
        name = next_neuron(courses)
        order.append(name)
        courses[name] = Course(1.0, (*courses[name].scores, 0.1 if name == "a" else 100.0))
    assert "".join(order) == "abc" * FIRST


def test_then_the_one_farthest_from_its_floor_in_multiples_of_it() -> None:
    courses = {"near": Course(50.0, (90.0, 60.0)), "far": Course(0.1, (9.0, 4.0))}
    assert next_neuron(courses) == "far"


def test_running_trials_and_barren_ones_send_the_next_elsewhere() -> None:
    near, far = Course(1.0, (9.0, 5.0)), Course(1.0, (99.0, 50.0))
    assert next_neuron({"near": near, "far": far}) == "far"
    assert next_neuron({"near": near, "far": Course(1.0, (99.0, 50.0), running=2)}) == "near"
    assert next_neuron({"near": near, "far": Course(1.0, (50.0, 60.0, 70.0))}) == "near"


def test_none_starves_and_failures_do_not_eat_the_budget() -> None:
    courses = {"failing": Course(1.0), "done": Course(1.0), "hard": Course(1.0)}
    falls = {"failing": None, "done": 0.5, "hard": 1e4}
    given: Counter[str] = Counter()
    for _ in range(200):
        name = next_neuron(courses)
        given[name] += 1
        courses[name] = Course(1.0, (*courses[name].scores, falls[name]))
    assert given["hard"] > given["done"] > FIRST
    assert given["failing"] < 130


def test_scores_below_zero_starve_nobody() -> None:
    """As a function of the user's may give them."""
    own = objective("mine:score")
    courses = {name: Course(0.0, objective=own) for name in "abc"}
    given: Counter[str] = Counter()
    for _ in range(60):
        name = next_neuron(courses)
        given[name] += 1
        courses[name] = Course(0.0, (*courses[name].scores, -0.1), objective=own)
    assert max(given.values()) - min(given.values()) <= 2


def test_a_course() -> None:
    course = Course(2.0, (8.0, None, 4.0, 6.0), running=1)
    assert (course.trials, course.best, course.barren) == (5, 4.0, 2)
    assert course.distance == pytest.approx(math.sqrt(2.0))  # of a squared distance
    assert Course(1.0).best is None
    assert math.isinf(Course(1.0).distance)
    assert Course(1.0, (0.0, 3.0)).distance > 0


def test_what_proved_best_is_the_lowest_mean_and_one_lucky_trial_proves_little() -> None:
    gains = {"lucky": [-4.0], "fair": [-2.0] * 6, "worse": [1.0, 2.0], "first": [0.0] * 9}
    assert most_proven(gains, []) == "fair"  # -12 / 9 is lower than -4 / 4
    assert most_proven(gains, {"fair"}) == "lucky"
    assert most_proven(gains, {"fair", "lucky"}) is None  # nothing else gained anything
    assert most_proven({}, []) is None


def test_the_course_of_an_objective_that_rises() -> None:
    course = Course(0.9, (0.2, 0.6, 0.4), objective=OBJECTIVES["coverage"])
    assert (course.best, course.barren) == (0.6, 1)
    assert course.distance == pytest.approx(4.0)  # 0.4 is missing to 1, of the floor 0.1
