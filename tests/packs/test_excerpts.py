"""The real excerpts that a pack may show: kept to a byte a value, each with its credit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.packs.test_pack import edit, edit_tensors, refusal
from tests.packs.test_pack_writing import written
from tune_am.errors import UserError
from tune_am.packs.excerpts import load_excerpts, save_excerpts
from tune_am.packs.manifest import ExcerptsEntry
from tune_am.packs.pack import Pack

CREDITS = ["Ada, Song, CC BY 4.0", "Ben, Tune, CC0", "Ada, Other, CC BY 4.0"]


@pytest.fixture
def inputs() -> torch.Tensor:
    return 3 * torch.randn(3, 80, 115, generator=torch.Generator().manual_seed(1)) - 5


@pytest.fixture
def pack(tiny_pack: Path, tmp_path: Path, inputs: torch.Tensor) -> Pack:
    return written(Pack.load(tiny_pack), tmp_path / "pack", excerpts=inputs, credits=CREDITS)


def test_what_was_written_is_read_to_half_a_step(pack: Pack, inputs: torch.Tensor) -> None:
    assert pack.excerpts is not None
    assert pack.excerpts is pack.excerpts  # read once
    assert pack.excerpts.credits == tuple(CREDITS)
    assert pack.excerpts.inputs.dtype == torch.float32
    steps = (inputs.amax(0) - inputs.amin(0)) / 255
    assert ((pack.excerpts.inputs - inputs).abs() <= steps / 2 + 1e-5).all()
    assert torch.equal(pack.excerpts.inputs.amin(0), inputs.amin(0))
    # A byte a value, and for each the ends of its range.
    size = inputs.numel() + 2 * 4 * inputs[0].numel()
    assert (pack.path / "excerpts.safetensors").stat().st_size < size + 400


@pytest.mark.parametrize("shape", [(3,), (3, 9), (3, 2, 2), (9, 3)])
def test_values_on_scales_of_their_own_keep_their_digits(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    """An age, a salary and a share, as features, as channels, and step by step; one is all 0."""
    scales = torch.tensor([80.0, 2e5, 1e-20])
    scales = scales.view(-1, *[1] * (len(shape) - 1)) if shape[0] == 3 else scales
    inputs = torch.rand(16, *shape, generator=torch.Generator().manual_seed(0)) * scales
    inputs[(slice(None), *[0] * len(shape))] = 0
    path = tmp_path / "excerpts.safetensors"
    entry = ExcerptsEntry.from_raw(save_excerpts(inputs, ("me",) * 16, path))
    found = load_excerpts(tmp_path, entry, shape).inputs
    assert ((found - inputs).abs() <= scales / 500).all()


def test_one_range_of_all_values_is_read_too(pack: Pack, inputs: torch.Tensor) -> None:
    """As packs of earlier versions have it, the shipped one for example."""

    def alter(tensors: dict[str, torch.Tensor]) -> None:
        tensors["excerpts"] = torch.arange(3).byte().view(3, 1, 1).expand(3, 80, 115).contiguous()
        del tensors["low"], tensors["high"]

    edit_tensors(pack.path, "excerpts.safetensors", alter)
    with pytest.raises(UserError, match=r"low and high of shapes \[\[0\], \[0\]\], inputs are"):
        Pack.load(pack.path).excerpts  # noqa: B018
    edit(pack.path, lambda manifest: manifest["excerpts"].update(low=-255, high=0))
    excerpts = Pack.load(pack.path).excerpts
    assert excerpts is not None
    assert excerpts.inputs.mean((1, 2)).tolist() == [-255, -254, -253]


def test_a_pack_need_not_have_any(tiny_pack: Path) -> None:
    assert Pack.load(tiny_pack).excerpts is None


def test_excerpts_that_are_all_alike(tiny_pack: Path, tmp_path: Path) -> None:
    silence = torch.full((1, 80, 115), -16.0)
    pack = written(Pack.load(tiny_pack), tmp_path / "pack", excerpts=silence, credits=["nobody"])
    assert pack.excerpts is not None
    assert torch.equal(pack.excerpts.inputs, silence)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"credits": CREDITS[:2]}, "3 excerpts with 2 credits"),
        ({"credits": [*CREDITS[:2], "two\nlines"]}, "longer than one line"),
        ({"credits": [*CREDITS[:2], " "]}, "a credit is empty"),
        ({"excerpts": torch.full((3, 80, 115), torch.nan)}, "non-finite"),
        ({"excerpts": torch.zeros(3, 80, 100)}, r"promises uint8 excerpts \[3, 80, 115\]"),
    ],
)
def test_what_cannot_be_shown_is_not_written(
    tiny_pack: Path, tmp_path: Path, inputs: torch.Tensor, changes: dict[str, Any], said: str
) -> None:
    given = {"excerpts": inputs, "credits": CREDITS} | changes
    with pytest.raises(UserError, match=said):
        written(Pack.load(tiny_pack), tmp_path / "pack", **given)
    assert list(tmp_path.iterdir()) == []


def test_an_altered_file_is_refused(pack: Pack) -> None:
    path = pack.path / "excerpts.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    assert "excerpts.safetensors: is truncated or altered" in refusal(pack.path)
    path.unlink()
    assert "excerpts.safetensors: is missing" in refusal(pack.path)


def test_a_file_without_a_digest_or_a_wrong_entry_is_refused(pack: Pack) -> None:
    edit(pack.path, lambda manifest: manifest["excerpts"].update(low=0, high=float("inf")))
    assert "no complete description of a pack" in refusal(pack.path)
    edit(pack.path, lambda manifest: manifest["excerpts"].update(high=1, file="other.safetensors"))
    assert "has no sha256 of other.safetensors" in refusal(pack.path)


def test_excerpts_of_another_shape_are_refused_when_read(pack: Pack) -> None:
    edit_tensors(
        pack.path, "excerpts.safetensors", lambda tensors: tensors.update(excerpts=torch.zeros(2))
    )
    with pytest.raises(UserError, match="promises uint8 excerpts"):
        Pack.load(pack.path).excerpts  # noqa: B018
