from __future__ import annotations

import math
from dataclasses import Field, FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest

from tune_am.am.settings import Settings
from tune_am.errors import UserError


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("lr", 0.0), ("lr", -1.0), ("lr", math.nan), ("lr", math.inf), ("lr", "0.1"), ("lr", True),
        ("lr", None), ("l2", -0.1), ("l2", math.inf), ("optimizer", "lion"), ("optimizer", 1),
        ("momentum", 1.0), ("momentum", -0.1), ("schedule", "cosine"), ("init_scale", 0),
        ("truncation", -1), ("normalize_grad", 1), ("normalize_grad", "yes"), ("jitter", -1),
        ("jitter", 1.5), ("jitter", True), ("jitter", 10**30), ("lr", 1e38), ("gain", -0.1),
        ("gain", math.nan),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_is_allowed(name: str, bad: object) -> None:
    with pytest.raises(UserError) as caught:
        Settings.from_dict({name: bad})
    line = str(caught.value)
    assert f"{name}={bad!r}" in line
    assert "must be" in line
    assert "\n" not in line


def test_an_unknown_name_gets_the_list() -> None:
    with pytest.raises(UserError, match=r"'steps'; allowed: lr, l2, optimizer.*gain"):
        Settings.from_dict({"lr": 0.1, "steps": 100})


def test_round_trip_and_defaults() -> None:
    settings = Settings.from_dict({"lr": 0.3, "optimizer": "sgd", "jitter": 2})
    assert Settings.from_dict(settings.to_dict()) == settings
    assert settings.to_dict()["l2"] == Settings().l2


def test_equal_numbers_are_equal_settings_whatever_their_type() -> None:
    drawn = {"jitter": np.int64(3), "normalize_grad": np.bool_(True)}
    settings = Settings(lr=1, l2=np.float32(0.5), **drawn)
    assert settings == Settings(lr=1.0, l2=0.5, jitter=3, normalize_grad=True)
    assert settings.normalize_grad is True
    assert [type(settings.lr), type(settings.l2), type(settings.jitter)] == [float, float, int]


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_a_refusal_says_what_the_table_of_settings_says(spec: Field[Any]) -> None:
    """`docs/generated.py` makes it of the same two words."""
    with pytest.raises(UserError) as caught:
        Settings(**{spec.name: object()})
    assert str(caught.value).endswith(f"{spec.metadata['allowed']} ({spec.metadata['help']})")


def test_what_was_checked_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().lr = -1.0  # type: ignore[misc]
