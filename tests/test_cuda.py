"""What only a GPU can show; skipped where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.packs.own_models import Remembering
from tune_am.am.controls import never_optimised, random_classifier
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.make_pack import make_pack
from tune_am.packs.pack import Pack
from tune_am.report.explanation import explain_settings
from tune_am.report.write import write_report
from tune_am.vocal.gan import Gan, GanTraining
from tune_am.vocal.nets import Discriminator, Generator
from tune_am.vocal.refined import PlaneDiscriminator, RefinedGenerator

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PLAN = Plan("vocal", starts=8, report_points=(2, 4), device="cuda")
EVERYTHING = Settings(
    lr=0.1, l2=0.01, radius=1.1, truncation=1.5, normalize_grad=True, jitter=2, gain=0.2
)


@pytest.fixture(scope="module")
def packs():
    return {device: Pack.load("vocal", device) for device in ("cpu", "cuda")}


@pytest.fixture
def exact(monkeypatch):
    """The matrix units' short mantissas, PyTorch's default for convolutions, are switched off."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


@pytest.mark.parametrize("settings", [Settings(lr=0.05), EVERYTHING, Settings(optimizer="sgd")])
def test_a_trial_is_the_same_as_on_the_cpu(packs, exact, settings):
    runs = [TrialRun(packs[d], replace(PLAN, device=d), settings) for d in ("cpu", "cuda")]
    metrics = [run.advance_to(2) for run in runs]

    on_cpu, on_gpu = (run.ascent.kept_activations.cpu() for run in runs)
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-2)
    assert metrics[1]["activation_fid"] == pytest.approx(metrics[0]["activation_fid"], rel=1e-2)


def test_a_trial_goes_on_from_its_state(packs, exact):
    whole = TrialRun(packs["cuda"], PLAN, EVERYTHING)
    whole.advance_to(2)
    state = whole.state_dict()
    expected = whole.advance_to(4)

    resumed = TrialRun(packs["cuda"], PLAN, EVERYTHING)
    resumed.load_state_dict(state)
    metrics = resumed.advance_to(4)

    assert metrics["activation_fid"] == pytest.approx(expected["activation_fid"], rel=1e-5)
    assert resumed.best_inputs().device.type == "cuda"


def test_a_recurrent_classifier(tmp_path):
    data = torch.randn(100, 5, 6)
    made = make_pack(Remembering(), "raw", data, {"a": "head:1"}, tmp_path / "pack")
    plan = replace(PLAN, neuron="a", report_points=(3,))
    run = TrialRun(Pack.load(made.path, "cuda"), plan, Settings(l2=0.0))
    assert run.advance_to(3)["improved_share"] == 1


def test_the_controls(packs):
    kept = never_optimised(packs["cuda"], PLAN)
    random = random_classifier(packs["cuda"], PLAN, Settings(lr=0.05), 2)

    on_cpu = never_optimised(packs["cpu"], replace(PLAN, device="cpu"))
    assert kept["activation_fid"] == pytest.approx(on_cpu["activation_fid"], rel=0.02)
    assert random["n"] > 0
    assert random["activation_fid"] != pytest.approx(kept["activation_fid"], rel=1e-3)


def test_a_report(packs, tmp_path):
    shown = explain_settings(packs["cuda"], replace(PLAN, starts=2), Settings(lr=0.05))
    page = write_report(shown, None, tmp_path / "report", {})
    assert page.exists()
    assert (page.parent / "figures" / "activations.png").exists()


@pytest.mark.parametrize("augmented", [False, True])
def test_a_gan_learns(augmented):
    torch.manual_seed(0)
    training = GanTraining(steps=3, batch=4, augmented=augmented, device="cuda")
    networks = RefinedGenerator(), [Discriminator(), PlaneDiscriminator()]
    gan = Gan(*networks, training)
    before = [p.detach().clone() for p in gan.generator.parameters()]
    real = torch.randn(4, 80, 115, device="cuda")
    for step in (1, 2, 3):
        facts = gan.step(real, step)

    assert all(torch.isfinite(fact).all() for fact in facts.values())
    changed = [
        not torch.equal(p, q) for p, q in zip(gan.generator.parameters(), before, strict=True)
    ]
    assert all(changed)


def test_a_generator_draws_the_same_samples_as_on_the_cpu(exact):
    from tune_am.vocal.samples import draw_samples

    torch.manual_seed(0)
    generator = Generator().eval()
    expected = draw_samples(generator, 5)

    torch.testing.assert_close(draw_samples(generator.cuda(), 5), expected, rtol=1e-3, atol=1e-2)
