"""An ascent goes on exactly where it was, and does not depend on how it is cut into chunks."""

from __future__ import annotations

import io
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tune_am.am.ascent import Ascent
from tune_am.am.settings import Settings
from tune_am.packs.pack import Pack

from .toys import UNIT, Cliff, IdentityPrior, Linear, Smooth, ascend

EVERY_RULE = [
    Settings(lr=0.2, l2=0.05, optimizer=rule, schedule=schedule, jitter=jitter, gain=gain,
             normalize_grad=normalize, truncation=truncation)
    for (rule, schedule), (jitter, gain), (normalize, truncation) in product(
        product(("adam", "sgd"), ("constant", "inverse_sqrt")),
        ((0, 0.0), (4, 0.0), (0, 0.3), (4, 0.3)),
        ((False, 0.0), (True, 1.5)),
    )
] + [Settings(lr=0.2, l2=0.05, tv=1e-3, blur=1.0, jitter=4, normalize_grad=True)]  # fmt: skip


@pytest.fixture(scope="module")
def pack(tiny_pack: Path) -> Pack:
    return Pack.load(tiny_pack)


def begin(pack: Pack, settings: Settings, seed: int = 5) -> Ascent:
    neuron = pack.neuron("vocal")
    return Ascent(pack.prior, pack.classifier, neuron, settings, 4, seed)


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint keeps it: tensors and plain values, no code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def assert_same_bits(one: Any, other: Any) -> None:
    if isinstance(one, Tensor):
        assert torch.equal(one.nan_to_num(nan=-1e30), other.nan_to_num(nan=-1e30))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_bits(one[key], other[key])
    else:
        assert one == other


@pytest.mark.parametrize("settings", EVERY_RULE, ids=lambda s: "-".join(map(str, vars(s).values())))
def test_a_pause_changes_no_bit(settings: Settings) -> None:
    straight = ascend(Linear(), settings, 9)
    paused = ascend(Linear(), settings, 4)
    resumed = ascend(Linear(), settings, 0)
    resumed.load_state_dict(through_a_file(paused.state_dict()))
    resumed.advance(5)
    assert_same_bits(straight.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("settings", EVERY_RULE[6::8], ids=lambda s: s.optimizer + "-" + s.schedule)
def test_a_pause_changes_no_bit_of_a_real_network(pack: Pack, settings: Settings) -> None:
    straight = begin(pack, settings)
    straight.advance(3)
    paused = begin(pack, settings)
    paused.advance(1)
    resumed = begin(pack, settings)
    resumed.load_state_dict(through_a_file(paused.state_dict()))
    resumed.advance(2)
    assert_same_bits(straight.state_dict(), resumed.state_dict())


def test_a_pause_after_divergence_changes_no_bit() -> None:
    settings = Settings(lr=0.1, l2=0.01, init_scale=0.5)
    straight = ascend(Cliff(), settings, 20, layer="cliff")
    paused = ascend(Cliff(), settings, 17, layer="cliff")
    assert 0 < paused.diverged.sum() < 6
    resumed = ascend(Cliff(), settings, 0, layer="cliff")
    resumed.load_state_dict(paused.state_dict())
    resumed.advance(3)
    assert_same_bits(straight.state_dict(), resumed.state_dict())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_snapshot_is_not_written_to_by_what_goes_on(optimizer: str) -> None:
    settings = Settings(optimizer=optimizer)
    ascent = ascend(Linear(), settings, 3)
    state = ascent.state_dict()
    copy = through_a_file(state)
    ascent.advance(3)
    assert_same_bits(state, copy)
    ends = []
    for _ in range(2):
        again = ascend(Linear(), settings, 0)
        again.load_state_dict(state)
        again.advance(3)
        ends.append(again.state_dict())
    assert_same_bits(state, copy)
    assert_same_bits(ends[0], ends[1])
    assert_same_bits(ends[0], ascent.state_dict())


def test_a_state_of_another_ascent_is_refused() -> None:
    state = ascend(Linear(), Settings(), 1).state_dict()
    for other in (
        ascend(Linear(), Settings(lr=0.06), 0),
        ascend(Linear(), Settings(), 0, direction="min"),
        ascend(Linear(), Settings(), 0, starts=5),
    ):
        with pytest.raises(ValueError, match="the state is of"):
            other.load_state_dict(state)


@pytest.mark.parametrize("settings", [Settings(lr=0.1), Settings(lr=0.1, jitter=5, gain=0.5)])
def test_the_chunk_only_rounds_differently(settings: Settings) -> None:
    ascents = [
        Ascent(IdentityPrior(), Smooth(), UNIT, settings, 4, seed=5, chunk=chunk)
        for chunk in (1, 3, 4, None)
    ]
    for ascent in ascents:
        ascent.advance(4)
    for other in ascents[1:]:
        torch.testing.assert_close(ascents[0].latents, other.latents, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(
            ascents[0].kept_activations, other.kept_activations, atol=1e-4, rtol=1e-4
        )
        assert torch.equal(ascents[0]._random.get_state(), other._random.get_state())


def test_a_seed_is_its_starts(pack: Pack) -> None:
    one, same, other = (begin(pack, Settings(), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(one.latents, same.latents)
    assert not torch.equal(one.latents, other.latents)
