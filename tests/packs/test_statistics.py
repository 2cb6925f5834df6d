"""Statistics of real inputs are those of NumPy, in one pass and from a file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.packs.test_pack_writing import written
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.packs.statistics import InputStatistics, Moments, load_statistics, save_statistics
from tune_am.packs.unlearned import FourierPrior, RawPrior


def inputs() -> torch.Tensor:
    draws = torch.randn(50, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    return 1000 + draws.cumsum(1)  # far from zero, channels correlated


def test_one_pass_gives_what_numpy_gives() -> None:
    moments = Moments()
    for batch in inputs().split([20, 1, 29]):
        moments.add(batch)
    found = moments.statistics()
    channels = inputs().double().transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(found.mean, channels.mean(1), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(channels, bias=True), rtol=1e-9)
    np.testing.assert_allclose(found.std, channels.std(1), rtol=1e-9)
    assert (found.low, found.high) == (channels.min(), channels.max())
    assert found.within((None, 2000.0)).high == 2000


def test_a_vector_is_all_channels() -> None:
    vectors = inputs().flatten(1)
    found = InputStatistics.of(vectors, (-5.0, None))
    np.testing.assert_allclose(found.covariance, np.cov(vectors.double().T, bias=True), atol=1e-9)
    assert found.low == -5


def test_of_a_long_vector_there_are_variances_alone(tmp_path: Path) -> None:
    vectors = 5 + torch.randn(40, 3000) * torch.rand(3000)
    moments = Moments()
    for batch in vectors.split(15):
        moments.add(batch)
    path, found = tmp_path / "statistics.safetensors", moments.statistics()
    np.testing.assert_allclose(found.covariance, vectors.double().numpy().var(0), rtol=1e-9)
    np.testing.assert_allclose(found.std, vectors.double().numpy().std(0), rtol=1e-9)
    save_statistics(found, path)
    loaded = load_statistics(path, (3000,), (None, None))
    assert torch.equal(RawPrior.of(loaded).std, found.std.float())
    with pytest.raises(UserError, match=r"have 3000 channels, at most 2048 .* \[1, samples\]"):
        moments.add(vectors.view(40, 3000, 1))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    path, saved = tmp_path / "statistics.safetensors", InputStatistics.of(inputs())
    save_statistics(saved, path)
    loaded = load_statistics(path, (3, 4, 6), (None, 3.0))
    assert torch.equal(loaded.mean, saved.mean)
    assert torch.equal(loaded.covariance, saved.covariance)
    assert (loaded.low, loaded.high) == (saved.low, 3)
    with pytest.raises(UserError, match=r"statistics.safetensors: holds .* shape \[4, 4\] need"):
        load_statistics(path, (4, 4), (None, None))
    save_file({"mean": torch.full((3,), torch.nan)}, path)
    with pytest.raises(UserError, match="mean holds a non-finite value"):
        load_statistics(path, (3, 4, 6), (None, None))


@pytest.mark.parametrize(("kind", "prior_type"), [("raw", RawPrior), ("fourier", FourierPrior)])
def test_any_pack_can_be_searched_without_its_generator(
    tiny_pack: Path, kind: str, prior_type: type
) -> None:
    own, pack = Pack.load(tiny_pack), Pack.load(tiny_pack, prior=kind)
    assert (own.prior_kind, pack.prior_kind) == ("gan", kind)
    assert (type(pack.prior), pack.hash) == (prior_type, own.hash)
    x = pack.prior(pack.prior.sample(64, torch.Generator().manual_seed(0)))
    assert x.shape == (64, 80, 115)
    # This pack has neither statistics nor excerpts: they are those of its generator's samples.
    with torch.no_grad():
        made = own.prior(own.prior.sample(256, torch.Generator().manual_seed(0)))
    assert x.min() >= made.min()
    torch.testing.assert_close(x.mean(), made.mean(), atol=0.1, rtol=0)
    torch.testing.assert_close(x.std(), made.std(), atol=0.15, rtol=0)


def test_the_excerpts_of_a_pack_speak_for_real_inputs(shown_pack: Path, tmp_path: Path) -> None:
    pack = Pack.load(shown_pack)
    assert pack.excerpts is not None
    few = pack.excerpts.inputs.double().mean((0, 2))  # of 12 only: not relied on
    assert not torch.allclose(pack.statistics.mean, few)
    shown = pack.excerpts.inputs.repeat(3, 1, 1)
    more = written(pack, tmp_path / "pack", excerpts=shown, credits=["somebody"] * len(shown))
    assert more.excerpts is not None
    torch.testing.assert_close(more.statistics.mean, more.excerpts.inputs.double().mean((0, 2)))


def test_the_vocal_pack_has_statistics_of_its_own() -> None:
    vocal = Pack.load("vocal", prior="raw")
    assert (vocal.path / "statistics.safetensors").exists()
    z = torch.zeros(1, 80, 115)
    torch.testing.assert_close(vocal.prior(z)[0, :, 0].double(), vocal.statistics.mean)


def test_the_range_in_pack_json_goes_first(shown_pack: Path, tmp_path: Path) -> None:
    pack, real = Pack.load(shown_pack), InputStatistics.of(torch.randn(9, 80, 115))
    entry = {**pack.manifest["input"], "range": [-16.0, None]}
    again = written(pack, tmp_path / "pack", input=entry, statistics=real)
    assert (again.statistics.low, again.statistics.high) == (-16, real.high)
    assert torch.equal(again.statistics.mean, real.mean)
    path = tmp_path / "pack" / "statistics.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"statistics\.safetensors: is truncated or altered"):
        Pack.load(tmp_path / "pack")


def test_a_pack_whose_own_prior_is_raw(tiny_pack: Path, tmp_path: Path) -> None:
    prior = RawPrior.of(Pack.load(tiny_pack).statistics)
    pack = written(
        Pack.load(tiny_pack),
        tmp_path / "pack",
        generator=prior,
        generator_config=prior.config,
        latent=prior.latent_shape,
    )
    assert (pack.prior_kind, pack.prior.latent_shape) == ("raw", (80, 115))
    z = torch.randn(2, 80, 115)
    assert torch.equal(pack.prior(z), prior(z))
    with pytest.raises(UserError, match="has no generator: its own prior is raw"):
        Pack.load(pack.path, prior="gan")
    with pytest.raises(UserError, match="unknown prior 'vae'; allowed: gan, raw, fourier"):
        Pack.load(pack.path, prior="vae")


@pytest.mark.parametrize("bounds", [[1.0, 0.0], [0, "x"], [0.0], 3])
def test_a_range_that_is_none(tiny_pack: Path, tmp_path: Path, bounds: object) -> None:
    copy = Path(shutil.copytree(tiny_pack, tmp_path / "copy"))
    manifest = json.loads((copy / "pack.json").read_text())
    manifest["input"]["range"] = bounds
    (copy / "pack.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="no complete description"):
        Pack.load(copy)
