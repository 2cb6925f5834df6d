"""The pack says what its inputs are, and that decides how they are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.report import template
from tune_am.report.curve import Curve
from tune_am.report.image import Image
from tune_am.report.page import axes_of
from tune_am.report.renderer import Renderer, renderer_for, renderer_of
from tune_am.vocal.render import LogMel


def test_the_domain_chooses_the_renderer(tiny_pack: Path) -> None:
    pack = Pack.load(tiny_pack)

    def of(**entry: object) -> type[Renderer]:
        return type(renderer_for(replace(pack, manifest={"input": entry})))

    assert of(domain="log-mel") is LogMel
    assert of(units="log-mel, natural log of max(x, 1e-7)") is LogMel  # packs without a domain
    assert of(units="log-mel: natural log") is LogMel
    assert of(domain="image", range=[0, 1]) is Image
    assert of() is Renderer
    with pytest.raises(UserError, match=r"unknown domain 'audio' of the input: .*image, curve"):
        of(domain="audio")
    # A line of pixels says nothing.
    assert type(renderer_of((1, 400), {"domain": "image"})) is Curve


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


def test_a_curve_spans_what_shares_a_column_and_sounds_as_it_is(tmp_path: Path) -> None:
    rate, samples = 8000, 4000
    time = torch.arange(samples) / rate
    tone = 0.5 * torch.sin(2 * torch.pi * 200 * time).view(1, 1, -1)
    renderer = renderer_of((1, samples), {"domain": "curve", "range": [-1, 1], "sample_rate": rate})
    assert renderer.limits(tone) == (-1, 1)
    (picture,) = renderer.codes(tone, (-1, 1))
    assert picture.shape == (renderer.height, renderer.width, 3)
    rows = torch.nonzero((picture[..., 0] == 0).any(1)).flatten().tolist()
    quarter = (renderer.height - 1) / 4  # from -0.5 to 0.5 of a scale from -1 to 1
    assert [rows[0], rows[-1]] == pytest.approx([quarter, 3 * quarter], abs=1)
    assert (picture[..., 0] == 0).any(0).all()
    renderer.write_sounds(tone, [tmp_path / f"tone{renderer.suffix}"])
    heard, found = soundfile.read(tmp_path / "tone.wav")
    assert (found, len(heard)) == (rate, samples)
    assert heard.max() == pytest.approx(0.9, abs=1e-3)
    assert np.corrcoef(heard, tone.flatten())[0, 1] > 0.999

    ramp = renderer_of((3,), {})  # fewer samples than columns
    assert ramp.suffix is None
    (picture,) = ramp.codes(torch.tensor([[0.0, 1.0, 2.0]]), (0.0, 2.0))
    assert (picture[..., 0] == 0).any(0).all()
    assert picture[0, -1, 0] == 0
    assert picture[-1, 0, 0] == 0


def legend(renderer: Renderer, limits: tuple[float, float]) -> str:
    macros: Any = template._environment().get_template("macros.html").module
    return " ".join(str(macros.legend(axes_of(renderer, limits))).split())


def test_a_page_says_the_range_and_unit_of_curves_too() -> None:
    heard = renderer_of((1, 400), {"domain": "curve", "units": "volts <V>", "sample_rate": 100})
    assert legend(heard, (-1.0, 2.5)) == (
        '<p class="legend">Upwards: volts &lt;V&gt;, from −1 to 2.5, on one scale throughout. '
        "Across: time, s.</p>"
    )
    assert "Upwards: value, from 0 to 1" in legend(renderer_of((9,), {}), (0.0, 1.0))
    grey = legend(renderer_of((4, 4), {"domain": "image", "units": "ink"}), (0.0, 1.0))
    assert "<img" in grey
    assert "ink, on one scale throughout." in grey
    assert legend(renderer_of((3, 4, 4), {"domain": "image"}), (0.0, 1.0)) == ""


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 4)])
def test_what_is_no_line_is_no_curve(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"cannot be drawn as curves.*\[1, samples\]"):
        Curve(shape)


@pytest.mark.parametrize("shape", [(5,), (2, 4, 4), (1, 1, 4, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"cannot be drawn.*\[H, W\].*log-mel"):
        Renderer(shape)
