"""The pack says what its inputs are, and that decides how they are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tune_am.am.pack import Pack
from tune_am.errors import UserError
from tune_am.report.image import Image
from tune_am.report.renderer import Renderer, renderer_for
from tune_am.vocal.render import LogMel


def test_the_domain_chooses_the_renderer(tiny_pack: Path) -> None:
    pack = Pack.load(tiny_pack)

    def of(**entry: object) -> type[Renderer]:
        return type(renderer_for(replace(pack, manifest={"input": entry})))

    assert of(domain="log-mel") is LogMel
    assert of(units="log-mel, natural log of max(x, 1e-7)") is LogMel  # packs without a domain
    assert of(units="log-mel: natural log") is LogMel
    assert of(domain="image", range=[0, 1]) is Image
    assert of(domain="digits", units="log-mel") is Renderer
    assert of() is Renderer


def test_grey_levels_span_the_scale() -> None:
    image = torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    renderer = Renderer((2, 2))
    limits = renderer.limits(image)
    assert limits == (0.0, 4.0)
    assert renderer.codes(image, limits).tolist() == [[[0, 64], [128, 255]]]
    assert renderer.codes(image, (1.0, 2.0)).tolist() == [[[0, 0], [255, 255]]]
    assert renderer.codes(torch.full((1, 2, 2), 3.0), (3.0, 3.0)).tolist() == [[[0, 0], [0, 0]]]


def test_pictures_keep_to_the_range_of_the_pack_and_show_their_pixels() -> None:
    image = torch.tensor([[[[0.25, 0.5], [0.5, 1.0]]]])
    renderer = Image((1, 2, 2))
    assert renderer.limits(image) == (0.25, 1.0)
    renderer.describe({"range": [0, None], "units": "ink"})
    assert (renderer.limits(image), renderer.scale) == ((0, 1.0), "ink")
    codes = renderer.codes(image, (0, 1.0))
    assert codes.shape == (1, 128, 128)
    assert codes[0, ::64, ::64].tolist() == [[64, 128], [128, 255]]
    assert codes[0, :64, :64].unique().tolist() == [64]
    colours = Image((3, 2, 256)).codes(torch.rand(2, 3, 2, 256), (0, 1))
    assert colours.shape == (2, 2, 256, 3)


def test_channels_are_colours() -> None:
    image = torch.zeros(1, 3, 2, 5)
    image[0, 1, 1, 4] = 1.0
    renderer = Renderer((3, 2, 5))
    codes = renderer.codes(image, (0.0, 1.0))
    assert (renderer.height, renderer.width, renderer.colours) == (2, 5, None)
    assert codes.shape == (1, 2, 5, 3)
    assert codes[0, 1, 4].tolist() == [0, 255, 0]
    assert Renderer((1, 2, 5)).codes(image[:, :1], (0.0, 1.0)).shape == (1, 2, 5)


@pytest.mark.parametrize("shape", [(5,), (2, 4, 4), (1, 1, 4, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"cannot be drawn.*\[H, W\].*log-mel"):
        Renderer(shape)
