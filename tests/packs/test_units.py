from __future__ import annotations

from pathlib import Path

import pytest

from tune_am.errors import UserError
from tune_am.packs.units import select, several

LAYERS = {"conv1": 3, "fc8": 64, "x:y": 2}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("vocal", ["vocal"]),
        ("vocal,", ["vocal"]),
        ("fc8:2-4", ["fc8:2", "fc8:3", "fc8:4"]),
        ("conv1:*", ["conv1:0", "conv1:1", "conv1:2"]),
        ("vocal,fc8:63-63,conv1:1", ["vocal", "fc8:63", "conv1:1"]),
        ("fc8:0,3,5-6,vocal", ["fc8:0", "fc8:3", "fc8:5", "fc8:6", "vocal"]),
        ("x:y:0,1,fc8:1", ["x:y:0", "x:y:1", "fc8:1"]),
        ("fc8:٣-٤", ["fc8:٣-٤"]),  # digits of another script
        ("fc9:0-1", ["fc9:0-1"]),  # no such layer: for Neuron.parse to refuse
    ],
)
def test_select(text: str, names: list[str]) -> None:
    assert select(text, LAYERS) == names


@pytest.mark.parametrize("text", ["fc8:4-2", "fc8:0-64", "fc8:64-70"])
def test_a_range_that_the_layer_has_not(text: str) -> None:
    with pytest.raises(UserError, match=f"no neurons {text}: fc8 has the units 0-63"):
        select(text, LAYERS)


def test_nothing_is_asked_for_twice() -> None:
    with pytest.raises(UserError, match="fc8:3 is asked for twice"):
        select("fc8:1-4,fc8:3", LAYERS)


def test_what_asks_for_several() -> None:
    assert all(map(several, ["fc8:0-3", "fc8:*", "fc8:0,3", "vocal,fc8:1", "vocal,"]))
    assert not any(map(several, ["vocal", "fc8:3", "fc8:@my-0-3.npy", "fc8:@a*b.npy"]))


def test_nothing_between_commas() -> None:
    with pytest.raises(UserError, match="nothing between"):
        select("fc8:1,,fc8:2", LAYERS)


def test_a_direction_with_a_comma_in_its_name_is_one(tmp_path: Path) -> None:
    file = tmp_path / "loud,low.npy"
    assert several(f"fc8:@{file}")
    file.touch()
    assert not several(f"fc8:@{file}")
    assert several(f"fc8:@{file},fc8:3")
    assert several(f"vocal,fc8:@{file}")
