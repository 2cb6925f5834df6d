"""The measures of a generator: brute force, closed forms, and generators one can see through."""

from __future__ import annotations

import json
import math
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.commands import command
from tune_am.am.prdc import prdc
from tune_am.errors import UserError
from tune_am.vocal import texture
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import load_corpus
from tune_am.vocal.fidelity import fidelity, main
from tune_am.vocal.melspec import BANDS, FRAMES
from tune_am.vocal.nearest import nearest
from tune_am.vocal.nets import Generator
from tune_am.vocal.train_judge import JudgeTraining, train_judge

N = 48


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_prdc_is_what_its_definition_counts():
    real, fake, k = random(30, 3), random(25, 3, seed=1) * 1.5 + 0.4, 4

    def reach(points, i):
        return sorted(math.dist(points[i], p) for j, p in enumerate(points) if j != i)[k - 1]

    r, f = real.double().tolist(), fake.double().tolist()
    in_real = [[math.dist(x, y) <= reach(r, i) for y in f] for i, x in enumerate(r)]
    in_fake = [[math.dist(x, y) <= reach(f, j) for j, y in enumerate(f)] for x in r]
    expected = {
        "precision": sum(any(row[j] for row in in_real) for j in range(25)) / 25,
        "recall": sum(any(row) for row in in_fake) / 30,
        "density": sum(sum(row) for row in in_real) / (k * 25),
        "coverage": sum(any(row) for row in in_real) / 30,
    }
    assert 0 < expected["coverage"] < 1
    assert prdc(real, fake, k) == pytest.approx(expected)


def test_prdc_of_a_set_with_itself_and_with_one_far_away():
    points = random(40, 5)
    # Every ball holds its own centre and k neighbours.
    assert prdc(points, points) == {"precision": 1, "recall": 1, "density": 6 / 5, "coverage": 1}
    assert set(prdc(points, points + 1e3).values()) == {0}


def test_coverage_of_one_distribution_is_the_published_expectation():
    n, k = 1000, 5
    expected = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))  # Naeem et al., eq. 8
    assert prdc(random(n, 8), random(n, 8, seed=1))["coverage"] == pytest.approx(expected, abs=0.02)


def test_prdc_needs_neighbours():
    with pytest.raises(ValueError, match="5 neighbours"):
        prdc(random(5, 2), random(50, 2))


def test_nearest_is_what_brute_force_finds():
    excerpts = random(3, 6, 11)
    # Long enough for several blocks of the FFT.
    songs = [random(6, 2300, seed=1) + 3, random(6, 30, seed=2), random(6, 10, seed=3)]

    found = nearest(excerpts, songs)

    def centred(x):
        return x - x.mean(dim=(-2, -1), keepdim=True)

    for i, song in enumerate(songs[:2]):
        windows = song.unfold(1, 11, 1).permute(1, 0, 2)
        apart = (centred(excerpts)[:, None] - centred(windows)[None]).square().mean(dim=(2, 3))
        least, where = apart.sqrt().min(dim=1)
        assert torch.equal(found.start[:, i], where)
        torch.testing.assert_close(found.distance[:, i].float(), least, atol=1e-5, rtol=0)
    assert torch.isinf(found.distance[:, 2]).all()  # shorter than an excerpt


def test_a_copy_is_found_where_it_was_taken_from_even_at_another_volume():
    songs = [random(BANDS, 600, seed=i) for i in range(3)]
    copy = songs[1][:, 200 : 200 + FRAMES] - 2.5

    found = nearest(torch.stack([copy, random(BANDS, FRAMES, seed=9)]), songs)

    distance, song, start = found.best()
    assert (int(song[0]), int(start[0])) == (1, 200)
    assert distance[0] < 1e-3
    ratio = found.ratio()
    assert ratio[0] < 1e-3
    assert ratio[1] > 0.9
    among = found.best([0, 2])
    assert among[1][0] in (0, 2)
    assert among[0][0] > 1


def test_modulation_of_a_tone_and_of_noise():
    seconds = torch.arange(FRAMES) / 70
    rates = texture.time_rates()
    wave = torch.sin(2 * torch.pi * rates[12] * seconds).expand(2, BANDS, FRAMES)
    assert int(texture.modulation_over_time(wave).argmax()) == 12
    ripple = torch.cos(2 * torch.pi * 0.25 * torch.arange(BANDS))[:, None].expand(2, BANDS, FRAMES)
    assert float(texture.band_rates()[texture.modulation_over_bands(ripple).argmax()]) == 0.25

    noise = 3 * random(60, BANDS, FRAMES)  # white: its variance at every rate
    for spectrum in (texture.modulation_over_time(noise), texture.modulation_over_bands(noise)):
        assert spectrum[2:-1] == pytest.approx(10 * math.log10(9), abs=0.3)


def test_statistics_count_in_units_of_their_deviation():
    levels = torch.linspace(-9, -3, 50)[:, None, None]  # of 50 excerpts that are else alike
    real = levels + torch.randn(50, 80, 115, generator=torch.Generator().manual_seed(0))

    louder = texture.statistics_distance(real + 2, real)

    # Louder by 2 nats moves the 40 means only, each by 2 over its deviation.
    deviation = texture.statistics(real)[:, :40].std(dim=0)
    assert louder == pytest.approx(float((2 / deviation).square().sum()), rel=1e-4)
    assert texture.statistics_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_statistics_of_stripes():
    half = BANDS // 2
    stripes = torch.tensor([1.0, -1.0]).repeat(FRAMES)[:FRAMES].expand(1, BANDS, FRAMES)
    mean, std, onsets, harmonics = texture.statistics(stripes).view(4, half)
    assert mean == pytest.approx(1 / FRAMES)
    assert std == pytest.approx(1.0, abs=0.01)
    assert onsets == pytest.approx(2.0)
    assert harmonics == pytest.approx(0.0)
    across = torch.tensor([1.0, -1.0]).repeat(half)[None, :, None].expand(1, BANDS, FRAMES)
    mean, std, onsets, harmonics = texture.statistics(across).view(4, half)
    assert torch.stack([mean, std, onsets]).abs().max() == 0
    assert harmonics == pytest.approx(2.0)


@pytest.fixture(scope="module")
def work(corpus, tmp_path_factory) -> Path:
    """The corpus with a judge that is hardly trained."""
    folder = tmp_path_factory.mktemp("fidelity")
    (folder / "corpus").symlink_to(corpus / "corpus")
    train_judge(folder, JudgeTraining(steps=2, fold_steps=1, batch=8))
    return folder


class Replay(nn.Module):
    """Gives back excerpts of the training songs, as a generator that learned them by heart."""

    latent = 4

    def __init__(self, work: Path, noise: float = 0.0) -> None:
        super().__init__()
        self.batches, self.noise = Batches(load_corpus(work, "train")), noise
        self.draws = torch.Generator().manual_seed(7)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x, _ = self.batches.draw(len(z), self.draws)
        return x + self.noise * torch.randn(x.shape, generator=self.draws)


def test_copies_are_perfect_and_caught(work):
    measures = fidelity(work, Replay(work), n=N)

    generated, test, again = (measures[row] for row in ("generated", "test", "train_again"))
    assert measures["n"] == N
    # Nearly all: those that reach beyond the ends of a song are no excerpts of it.
    assert measures["nearest"]["copies"] > 0.7
    assert measures["nearest"]["distance"]["generated"] < 1e-2
    assert measures["nearest"]["distance"]["test"] > 0.1
    assert generated.keys() == test.keys() == again.keys()
    assert generated["precision"] == pytest.approx(again["precision"], abs=0.2)
    assert generated["statistics_fd"] < test["statistics_fd"]
    assert measures["ratio"]["statistics_fd"] == pytest.approx(
        generated["statistics_fd"] / test["statistics_fd"]
    )


def test_noise_is_far_and_no_copy(work):
    clear, noisy = (fidelity(work, Replay(work, noise), n=N) for noise in (0.0, 5.0))

    assert noisy["nearest"]["copies"] < 0.1
    for name in ("statistics_fd", "judge_fd", "band_std_rms", "modulation_over_time_rms_db"):
        assert noisy["generated"][name] > 3 * clear["generated"][name], name
    assert noisy["test"] == clear["test"]


def test_what_is_known_of_the_real_ones_is_kept_until_the_judge_changes(work, tmp_path):
    (tmp_path / "corpus").symlink_to(work / "corpus")
    train_judge(tmp_path, JudgeTraining(steps=1, fold_steps=1, batch=8))
    first = fidelity(tmp_path, Replay(work), n=16)
    (kept,) = (tmp_path / "judge").glob("real-*")
    written = kept.stat().st_mtime_ns

    assert fidelity(tmp_path, Replay(work), n=16) == first
    assert kept.stat().st_mtime_ns == written
    other = fidelity(tmp_path, Replay(work), n=16, judge=work / "judge" / "judge.safetensors")
    assert len(list((tmp_path / "judge").glob("real-*"))) == 2
    assert other["test"]["judge_fd"] != first["test"]["judge_fd"]
    assert other["test"]["statistics_fd"] == first["test"]["statistics_fd"]


def measured(*arguments: object) -> CompletedProcess[str]:
    return command("tune_am.vocal.fidelity", *arguments)


def test_the_command_writes_measures_and_figure(work, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "generator.safetensors"
    generator = Generator()
    generator.std.fill_(100.0)  # untrained, it would draw near silence
    save_file(generator.state_dict(), weights)

    done = measured(
        *("--work", work, "--generator", weights, "--samples", 16, "--out", tmp_path / "m.json")
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    measures = json.loads((tmp_path / "m.json").read_text())
    assert measures["n"] == 16
    assert 0 <= measures["generated"]["heard_as_singing"] <= 1
    assert (tmp_path / "m.png").stat().st_size > 20_000
    assert not list(tmp_path.glob("*.partial"))


def test_silence_is_measured_too(work):
    generator = Replay(work)
    generator.batches.draw = lambda n, _: (torch.full((n, BANDS, FRAMES), -16.0), None)

    measures = fidelity(work, generator, n=16)

    assert measures["nearest"]["compared"] == 0
    assert measures["generated"]["band_std_rms"] > 1


def test_bad_input_gets_one_line(work, tmp_path):
    done = measured("--work", work)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "generator.safetensors is missing" in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(UserError, match="5 samples are too few"):
        main(["--work", str(work), "--samples", "5"])
    with pytest.raises(UserError, match=r"corpus.json holds no weights of a Generator"):
        main(["--work", str(work), "--generator", str(work / "corpus" / "corpus.json")])
    with pytest.raises(UserError, match="no such folder for --out"):
        main(["--work", str(work), "--out", str(tmp_path / "none" / "m.json")])
    with pytest.raises(UserError, match="no corpus in"):
        fidelity(tmp_path, Replay(work), n=16, judge=work / "judge" / "judge.safetensors")
