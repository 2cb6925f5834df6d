from __future__ import annotations

import math
from collections import Counter

import pytest

from tune_am.am.objectives import OBJECTIVES
from tune_am.tuning.campaign.rules import FIRST, Course, next_neuron, warm_start


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


def test_a_course() -> None:
    course = Course(2.0, (8.0, None, 4.0, 6.0), running=1)
    assert (course.trials, course.best, course.barren) == (5, 4.0, 2)
    assert course.distance == pytest.approx(math.sqrt(2.0))  # of a squared distance
    assert Course(1.0).best is None
    assert math.isinf(Course(1.0).distance)
    assert Course(1.0, (0.0, 3.0)).distance > 0


def test_a_warm_start_is_what_most_others_agree_on_then_the_nearest_to_the_floor() -> None:
    one, two, three = {"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}
    best = [(one, 1.0), (two, 9.0), (two, 8.0), (three, 0.5)]
    assert warm_start(best, []) == two
    assert warm_start(best, [two]) == three
    assert warm_start(best, [two, three]) == one
    assert warm_start(best, [one, two, three]) is None
    assert warm_start([], []) is None


def test_a_warm_start_of_settings_that_are_lists() -> None:
    assert warm_start([({"shift": [1, 2]}, 1.0)], []) == {"shift": [1, 2]}


def test_the_course_of_an_objective_that_rises() -> None:
    course = Course(0.9, (0.2, 0.6, 0.4), objective=OBJECTIVES["coverage"])
    assert (course.best, course.barren) == (0.6, 1)
    assert course.distance == pytest.approx(4.0)  # 0.4 is missing to 1, of the floor 0.1
