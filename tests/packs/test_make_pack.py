"""From a user's own networks to a pack that a search can run on."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.packs.own_models import (
    SMALL,
    Colours,
    Listener,
    Normed,
    Overwriter,
    Painter,
    Remembering,
    pictures,
)
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.given import given_network
from tune_am.packs.make_pack import make_pack
from tune_am.packs.neuron import Tap
from tune_am.packs.pack import Pack
from tune_am.packs.prior import GeneratorPrior
from tune_am.packs.real_data import Reading, read
from tune_am.packs.recurrent import is_recurrent

NEURONS = {"first": "head:0", "texture": "features.3:2"}


@pytest.fixture(scope="module")
def colours() -> Colours:
    torch.manual_seed(0)
    network = Colours()
    network(torch.rand(8, 3, 224, 224))  # batch norm has seen something
    return network


@pytest.fixture(scope="module")
def made(colours: Colours, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    data = TensorDataset(pictures(110, 3, 224, 224), torch.zeros(110))
    out = tmp_path_factory.mktemp("own") / "colours"
    torch.manual_seed(1)
    return make_pack(
        colours,
        Painter(),
        DataLoader(data, batch_size=40),
        NEURONS,
        out,
        latent=4,
        input={"range": [0, 1]},
        groups=[i // 2 for i in range(110)],
        credits="random numbers, CC0",
        about={"licence": {"weights": "CC0"}},
    )


def test_the_pack_does_what_the_networks_do(made: Pack, colours: Colours) -> None:
    layers = ["features.0", "features.3", "hidden", "head"]
    pack = Pack.load(made.path)  # without consent: there is no foreign code
    assert pack.layers == {"features.0": 8, "features.3": 8, "hidden": 6, "head": 5}
    assert (pack.name, pack.neurons, pack.input_shape) == ("colours", NEURONS, (3, 224, 224))
    assert pack.reference.groups.tolist() == [i // 2 for i in range(110)]
    assert colours.training
    real = pictures(110, 3, 224, 224)
    expected = Tap(colours.eval(), layers)(real)
    for layer in layers:
        torch.testing.assert_close(pack.reference.activations[layer], expected[layer])
        torch.testing.assert_close(
            Tap(pack.classifier, layers)(real[:5])[layer], expected[layer][:5]
        )
    colours.train()
    torch.manual_seed(1)
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(pack.prior(z), Painter().eval()(z))
    torch.testing.assert_close(pack.statistics.mean, real.double().mean((0, 2, 3)))
    assert (pack.statistics.low, pack.statistics.high) == (0, 1)


def test_the_real_inputs_shown_are_the_extreme_ones(made: Pack) -> None:
    assert made.excerpts is not None
    assert set(made.excerpts.credits) == {"random numbers, CC0"}
    real = pictures(110, 3, 224, 224)
    for name in NEURONS:
        order = made.reference.of(made.neuron(name)).argsort(stable=True)
        for place in (*order[:8].tolist(), *order[-8:].tolist()):
            assert (made.excerpts.inputs - real[place]).abs().amax((1, 2, 3)).min() < 1 / 255


@pytest.mark.parametrize("prior", ["gan", "raw", "fourier"])
def test_an_ascent_runs_through_it(made: Pack, prior: str) -> None:
    pack = Pack.load(made.path, prior=prior)
    run = TrialRun(pack, Plan("first", starts=3, report_points=(2, 8)), Settings(lr=0.02, l2=0.0))
    metrics = [run.advance_to(step) for step in (2, 8)]
    assert metrics[-1]["improved_share"] == 1
    assert metrics[-1]["activation_mean"] > metrics[0]["activation_mean"]


def test_a_real_torchaudio_model(tmp_path: Path) -> None:
    network, data = Listener(), torch.randn(100, 1, 200)
    pack = make_pack(network, "fourier", data, {"letter": "model.aux:3"}, tmp_path / "pack")
    assert pack.layers["model.aux"] == 5
    assert pack.layers["model.encoder.transformer.layers.1.feed_forward.intermediate_dense"] == 16
    layers = list(pack.layers)
    expected = Tap(network.eval(), layers)(data)
    for layer in layers:
        torch.testing.assert_close(
            pack.reference.activations[layer], expected[layer], atol=1e-5, rtol=1e-4
        )
    assert (pack.prior_kind, pack.prior.latent_shape) == ("fourier", (1, 101, 2))
    run = TrialRun(pack, Plan("letter", starts=3, report_points=(3,)), Settings(lr=0.1))
    assert run.advance_to(3)["improved_share"] == 1


def test_with_its_config_a_network_is_stored_by_its_class(tmp_path: Path) -> None:
    config = {"width": 4, "classes": 3}
    out = tmp_path / "pack"
    made = make_pack(Colours(**config), "raw", pictures(100, 3, 224, 224), {"a": "head:0"}, out,
                     classifier_config=config)  # fmt: skip
    assert type(made.classifier) is Colours
    with pytest.raises(UserError, match=r"own_models:Colours' is foreign code"):
        Pack.load(out)
    # Its own forward has a `view`, for which the faster layout must not be forced on it.
    run = TrialRun(made, Plan("a", starts=2, report_points=(1,)), Settings())
    assert run.advance_to(1)["improved_share"] == 0  # the first step evaluates the starts


def test_networks_stay_as_they_were_handed_over(tmp_path: Path) -> None:
    """In training mode, say, between two epochs; the pack holds what evaluation mode computes."""
    classifier = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    generator = Normed()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    pack = make_pack(classifier, generator, torch.rand(100, 6), {}, tmp_path / "pack",
                     classifier_config=None, prior_config={}, input={"range": [0, 1]})  # fmt: skip
    for network in (classifier, generator):
        assert all(module.training for module in network.modules())
    for state in (generator.state_dict(), pack.prior.generator.state_dict()):
        assert state.keys() == before.keys()
        assert all(torch.equal(state[name], before[name]) for name in before)


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    data = torch.rand(100, 6)
    said = {"range": [np.float32(0), np.float32(1)], "sample_rate": np.int64(8000)}
    given = nn.Sequential(nn.Linear(6, 2)), nn.Sequential(nn.Linear(3, 6), nn.Sigmoid())
    made = make_pack(*given, data, {}, tmp_path / "p", input=said, latent=np.int64(3))
    kept = json.loads((made.path / "pack.json").read_text())["input"]
    assert (kept["range"], kept["sample_rate"]) == ([0.0, 1.0], 8000)
    assert made.prior.latent_shape == (3,)


def test_a_recurrent_classifier(tmp_path: Path) -> None:
    """What cuDNN would refuse is known of the module and of the operations stored of it."""
    network = Remembering()
    pack = make_pack(network, "raw", torch.randn(100, 5, 6), {"a": "head:1"}, tmp_path / "pack")
    assert is_recurrent(network)
    assert is_recurrent(pack.classifier)
    assert not is_recurrent(pack.prior)
    run = TrialRun(pack, Plan("a", starts=2, report_points=(3,)), Settings(lr=0.1, l2=0.0))
    assert run.advance_to(3)["improved_share"] == 1


def test_networks_that_change_their_input_in_place(tmp_path: Path) -> None:
    data = 5 * torch.rand(100, 6)
    given = data.clone()
    classifier, generator = (
        network.requires_grad_(False) for network in (Overwriter(), Overwriter(3, 6))
    )
    pack = make_pack(
        classifier, generator, given, {"a": "head:0"}, tmp_path / "pack", latent=3, credits="CC0"
    )
    assert torch.equal(given, data)
    torch.testing.assert_close(pack.statistics.mean, data.double().mean(0))
    torch.testing.assert_close(pack.reference.activations["head"], classifier.head(data / 2 - 1.5))
    assert pack.excerpts is not None
    assert (pack.excerpts.inputs[0] - data).abs().amax(1).min() < 0.02
    for prior in (pack.prior, GeneratorPrior(generator, 3)):
        run = TrialRun(replace(pack, prior=prior), Plan("a", starts=4), Settings(tv=0.1, lr=0.1))
        run.advance_to(4)
        z = run.ascent.kept_latents
        torch.testing.assert_close(pack.prior(z.clone()), generator.head(z / 2 - 1.5))
        torch.testing.assert_close(
            run.ascent.kept_activations, Tap(classifier, ["head"])(pack.prior(z))["head"][:, 0]
        )


def test_a_layer_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    network = nn.Sequential(OrderedDict({"x:y": nn.Linear(6, 2)}))
    pack = make_pack(**{**SMALL, "classifier": network, "neurons": {"a": "x:y:1"}},
                     out=tmp_path / "pack")  # fmt: skip
    assert pack.layers == {"x:y": 2}
    assert pack.neuron("a").unit == pack.neuron("x:y:1").unit == 1


def test_of_a_compiled_network_the_names_are_the_user_s() -> None:
    network = nn.Sequential(nn.Linear(6, 2))
    assert given_network(torch.compile(network), "classifier") is network
    assert given_network(network, "classifier") is network


def test_what_was_read_is_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that changes after it was traced, as after so many calls, is found out."""
    network = nn.Sequential(nn.Linear(6, 2))

    def changed(*given: Any) -> Reading:
        network[0].bias.data += 1
        return read(*given)

    monkeypatch.setattr("tune_am.packs.make_pack.read", changed)
    with pytest.raises(UserError, match="layer '0' is 1 off once stored: does forward"):
        make_pack(**{**SMALL, "classifier": network}, out=tmp_path / "pack")


def test_without_a_named_neuron_no_inputs_are_shown(tmp_path: Path) -> None:
    assert make_pack(**SMALL, credits="nobody, CC0", out=tmp_path / "pack").excerpts is None
