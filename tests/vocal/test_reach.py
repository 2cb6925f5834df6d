import json

import numpy as np
import pytest
import scipy.stats
import torch
from safetensors.torch import save_file

from tests.commands import command
from tune_am.errors import UserError
from tune_am.vocal import reach
from tune_am.vocal.corpus import Track
from tune_am.vocal.labels import NOT_SUNG, SUNG, UNCERTAIN
from tune_am.vocal.nets import Detector, Generator
from tune_am.vocal.refined import load_generator
from tune_am.vocal.stages import run_stage

CENTRE = 57


@pytest.fixture(scope="module")
def work(corpus, tmp_path_factory):
    """A work folder with untrained networks; its test song may be shown."""
    folder = tmp_path_factory.mktemp("reach")
    (folder / "corpus").mkdir()
    for file in (corpus / "corpus").glob("*.safetensors"):
        (folder / "corpus" / file.name).symlink_to(file)
    index = json.loads((corpus / "corpus" / "corpus.json").read_text())
    songs = [entry | {"excerpts": entry["source"] == "three"} for entry in index]
    (folder / "corpus" / "corpus.json").write_text(json.dumps(songs))
    torch.manual_seed(0)
    for name, network in (("detector", Detector()), ("gan", Generator())):
        (folder / name).mkdir()
        file = {"detector": "detector", "gan": "generator"}[name]
        save_file(network.state_dict(), folder / name / f"{file}.safetensors")
    return folder


def song(number, labels, sung, showable=False):
    """A song whose every value is a thousand times its number plus that of the frame."""
    frames = 1000 * number + torch.arange(len(labels))
    return Track(
        name=str(number),
        source=str(number),
        split="test",
        sung=sung,
        showable=showable,
        log_mel=frames.expand(80, -1).float(),
        labels=torch.tensor(labels, dtype=torch.uint8),
    )


def test_half_of_the_excerpts_are_sung_and_songs_take_turns():
    phrases = [SUNG] * 100 + [UNCERTAIN] * 100 + [NOT_SUNG] * 100
    tracks = [
        song(1, phrases, sung=True, showable=True),
        song(2, phrases, sung=True),
        song(3, [NOT_SUNG] * 300, sung=False),
        song(4, [NOT_SUNG] * 300, sung=False, showable=True),
    ]

    drawn = reach.draw_held_out(tracks, 40)

    assert drawn.x.shape == (40, 80, 115)
    assert drawn.sung.tolist() == [True] * 20 + [False] * 20
    numbers, frames = (drawn.x[:, 0, CENTRE].int() // 1000, drawn.x[:, 0, CENTRE].int() % 1000)
    assert numbers.bincount().tolist() == [0, 15, 15, 5, 5]
    assert (frames[:20] < 100).all()
    assert ((frames >= 200) == ~drawn.sung)[numbers < 3].all()
    assert torch.equal(drawn.showable, (numbers == 1) | (numbers == 4))
    assert torch.equal(drawn.x, reach.draw_held_out(tracks, 40).x)
    assert len(set(frames.tolist())) > 25


def test_songs_without_singing_are_missed():
    with pytest.raises(UserError, match="no test songs without singing"):
        reach.draw_held_out([song(1, [SUNG, NOT_SUNG], sung=True)], 4)


def test_measures_of_a_constructed_case():
    x = torch.randn(4, 80, 115, generator=torch.Generator().manual_seed(0))
    drawn = x.clone()
    drawn[0] += np.log(2)  # 6.02 dB, in one of four
    before = torch.tensor([1.0, 2.0, -3.0, 0.5])
    after = torch.tensor([-0.1, 3.0, -2.0, 0.1])

    found = reach.measures(x, drawn, before, after)

    assert found["error_db"] == pytest.approx(20 * np.log10(2) / 4, rel=1e-4)
    assert found["class_kept"] == 0.75
    assert found["heard_as_singing"] == 0.5
    expected = scipy.stats.pearsonr(before.numpy(), after.numpy()).statistic
    assert found["logit_correlation"] == pytest.approx(expected, abs=1e-6)
    assert reach.measures(x, drawn, before, torch.ones(4))["logit_correlation"] is None


def test_norms_beside_the_shell_of_the_prior():
    random = torch.randn(100_000, 128, generator=torch.Generator().manual_seed(0))
    z = torch.zeros(5, 128)
    z[:, 3] = torch.tensor([2.0, 9.0, 11.0, 12.0, 40.0])

    found = reach.norms(z, random)

    chi = scipy.stats.chi(df=128)
    assert found["shell"] == pytest.approx([chi.ppf(0.025), chi.ppf(0.975)], abs=0.02)
    assert (found["median"], found["range"]) == (11.0, [2.0, 40.0])
    shares = (found["below"], found["inside"], found["above"])
    assert shares == pytest.approx((0.4, 0.4, 0.2))


def test_samples_of_the_generator_are_within_reach(work, monkeypatch):
    """Excerpts that are themselves random samples: the nearest of them is exact, and a start."""
    monkeypatch.setattr(reach, "SAMPLES", 12)
    generator = load_generator(work / "gan" / "generator.safetensors").requires_grad_(False)
    z = torch.randn(12, 128, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        x = generator(z)[[7, 2, 5, 11]]
    sung = torch.tensor([True, True, False, False])
    held_out = reach.HeldOut(x.clone(), sung, sung)

    inversion = reach.Inversion(race=1, steps=1, l2=0)
    found, drawn = reach.reach(work, generator, held_out, inversion, seed=3)

    for name in ("nearest_sample", "reconstruction"):
        assert found[name]["all"]["error_db"] == pytest.approx(0, abs=1e-4)
        assert found[name]["all"]["class_kept"] == 1
        assert found[name]["sung"]["logit_correlation"] == pytest.approx(1)
    # These are new ones, not among the random samples: one step does not find them.
    assert 0 < found["own_samples"]["error_db"] < found["band_means"]["all"]["error_db"]
    assert found["band_means"]["all"]["error_db"] > 1
    assert found["band_means"]["all"]["logit_correlation"] is None
    torch.testing.assert_close(drawn, x, atol=1e-5, rtol=0)
    length = z[[5, 11]].norm(dim=1)
    assert found["latent_norm"]["not_sung"]["range"] == pytest.approx(sorted(length.tolist()))


def test_the_command(work, tmp_path):
    out, picture = tmp_path / "reach.json", tmp_path / "pairs.png"
    options = ("--excerpts", 4, "--steps", 2, "--out", out, "--picture", picture)

    done = command("tune_am.vocal.reach", "--work", work, *options)

    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["excerpts"] == {"all": 4, "sung": 2, "not_sung": 2}
    assert found["steps"] == 2
    parts = [found["reconstruction"][group]["error_db"] for group in ("sung", "not_sung")]
    assert found["reconstruction"]["all"]["error_db"] == pytest.approx(np.mean(parts), rel=1e-5)
    assert f"{found['reconstruction']['all']['error_db']:8.2f}" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {file.name for file in tmp_path.iterdir()} == {"reach.json", "pairs.png"}


def test_the_picture_shows_what_may_be_shown():
    x = torch.arange(20.0)[:, None, None].expand(-1, 80, 115)
    sung, showable = torch.arange(20) < 10, torch.arange(20) % 5 == 0
    drawn = x + 0.5

    rows = reach.pairs(reach.HeldOut(x, sung, showable), drawn)

    values = {title: excerpts[:, 0, 0].tolist() for title, excerpts in rows.items()}
    assert values == {
        "real, sung": [0, 5],
        "inverted, sung": [0.5, 5.5],
        "real, not sung": [10, 15],
        "inverted, not sung": [10.5, 15.5],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--excerpts", "3"], "--excerpts 3: give a whole number from 4"),
        (["--excerpts", "many"], "--excerpts many: give a whole number from 4"),
        (["--out", "none/reach.json"], "no such folder for --out: none"),
        (["--picture", "none/pairs.png"], "no such folder for --picture: none"),
        (["--generator", "none.safetensors"], "none.safetensors is missing"),
        (
            ["--generator", "{work}/detector/detector.safetensors"],
            "no weights of a Generator",
        ),
        (["--generator", "{work}/corpus/corpus.json"], "no weights of a Generator"),
    ],
)
def test_bad_input_gets_one_line(work, options, message):
    with pytest.raises(UserError) as raised:
        reach.main(["--work", str(work), *(option.format(work=work) for option in options)])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nothing_that_may_be_shown(work, corpus, tmp_path, capsys):
    (tmp_path / "corpus").symlink_to(corpus / "corpus")
    weights = str(work / "gan" / "generator.safetensors")
    options = ["--generator", weights, "--picture", str(tmp_path / "pairs.png")]

    with pytest.raises(SystemExit) as stopped:
        run_stage(lambda: reach.main(["--work", str(tmp_path), *options]))

    assert stopped.value.code == 2
    expected = "error: no licence lets these excerpts be shown: leave out --picture\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "pairs.png").exists()
