"""What trials are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.tuning.label import file_name, settings_title, short, trial_title


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.05, "0.05"),
        (0.001, "1e-3"),
        (0.00125, "0.00125"),
        (0.000125, "1.25e-4"),
        (0.0123456, "0.0123"),
        (0.0, "0"),
        (1.0, "1"),
        (200.0, "200"),
        (1e30, "1e30"),
        (True, "True"),
        (3, "3"),
        ("sgd", "sgd"),
    ],
)
def test_numbers_are_short(value, said):
    assert short(value) == said
    if isinstance(value, float) and value:
        assert float(said) == pytest.approx(value, rel=5e-3)


def test_a_trial_is_called_by_what_sets_it_apart():
    plan, settings = Plan("vocal"), Settings(lr=0.01, l2=0.001)
    assert trial_title(plan, settings) == "vocal-max lr=0.01 l2=1e-3"
    assert settings_title(replace(settings, optimizer="sgd", jitter=2)) == (
        "lr=0.01 l2=1e-3 optimizer=sgd jitter=2"
    )
    plan = replace(plan, neuron="fc8:12", direction="min")
    assert file_name(trial_title(plan, settings)) == "fc8_12-min_lr=0.01_l2=1e-3"


def test_long_titles_become_names_of_their_own() -> None:
    names = {file_name(f"{'layer.' * 60}:{unit}") for unit in range(3)}
    assert len(names) == 3
    assert max(map(len, names)) < 200
