"""The build's stages on a few seconds of audio: real networks, a handful of steps."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import tune_am.vocal
import tune_am.vocal.train_detector as train_detector_module
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.vocal.batches import Augmentation
from tune_am.vocal.build_pack import COMMAND, build_pack
from tune_am.vocal.card import data_card
from tune_am.vocal.corpus import load_corpus
from tune_am.vocal.evaluation import (
    HOP_FRAMES,
    balanced_threshold,
    labelled_logits,
    temperature,
)
from tune_am.vocal.gan import Gan, GanTraining
from tune_am.vocal.labels import UNCERTAIN
from tune_am.vocal.nets import Detector, Generator
from tune_am.vocal.refined import RefinedGenerator
from tune_am.vocal.train_detector import VALIDATION_HOP, DetectorTraining, train_detector
from tune_am.vocal.train_gan import train_draft, train_gan

DETECTOR = DetectorTraining(steps=4, batch=8, checkpoint_every=2)
GAN = GanTraining(steps=4, batch=4, checkpoint_every=2, compared=8)
QUICK_DETECTOR = replace(DETECTOR, steps=1, checkpoint_every=1)
QUICK_GAN = replace(GAN, steps=1, checkpoint_every=1)


@pytest.fixture
def few_looks(monkeypatch):
    """A detector is validated every two seconds of the songs."""
    monkeypatch.setattr(train_detector_module, "VALIDATION_HOP", 4 * VALIDATION_HOP)


class Cut(Exception):
    """The training is killed."""


def test_an_interrupted_gan_ends_as_if_it_had_not_been(work, monkeypatch):
    def last():
        return torch.load(work / "gan" / "checkpoint.pt", weights_only=True)

    train_gan(work, GAN, GAN)
    expected, best = last(), load_file(work / "gan" / "generator.safetensors")
    for folder in ("draft", "gan"):
        for file in (work / folder).iterdir():
            file.unlink()

    step, taken = Gan.step, []

    def cut(self, real, number):
        taken.append(number)
        if len(taken) in (4, 8):  # the last of the draft; of the refinement, as it is resumed
            raise Cut
        return step(self, real, number)

    monkeypatch.setattr(Gan, "step", cut)
    for _ in range(2):
        with pytest.raises(Cut):
            train_gan(work, GAN, GAN)
    monkeypatch.undo()
    train_gan(work, GAN, GAN)

    assert_same(last()["gan"], expected["gan"])
    assert_same(load_file(work / "gan" / "generator.safetensors"), best)


def test_the_best_checkpoint_is_kept_not_the_last(work, monkeypatch):
    distances = iter([3.0, 1.0, 2.0, 5.0])
    kept = []

    def judged(generator, judge, real):
        kept.append({name: t.clone() for name, t in generator.state_dict().items()})
        return next(distances)

    monkeypatch.setattr("tune_am.vocal.gan.distance_to", judged)
    train_draft(work, replace(GAN, checkpoint_every=1))

    assert_same(load_file(work / "draft" / "generator.safetensors"), kept[1])
    lines = (work / "draft" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["distance"] for line in lines] == [3.0, 1.0, 2.0, 5.0]


def test_the_refinement_begins_with_the_draft(work):
    train_draft(work, GAN)
    drafted = Generator()
    state = torch.load(work / "draft" / "checkpoint.pt", weights_only=True)
    drafted.load_state_dict(state["gan"]["generator"])
    refined = RefinedGenerator()
    refined.load_state_dict(drafted.state_dict(), strict=False)

    z = torch.randn(3, 128)

    torch.testing.assert_close(refined.eval()(z), drafted.eval()(z))


def assert_same(one, other):
    """Nested states are equal bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.mark.usefixtures("few_looks")
def test_an_interrupted_detector_ends_as_if_it_had_not_been(work):
    def final_weights():
        state = torch.load(work / "detector" / "checkpoint.pt", weights_only=True)
        return state["network"]

    train_detector(work, DETECTOR)
    expected = final_weights()
    for file in (work / "detector").iterdir():
        file.unlink()

    from tune_am.vocal import training as stage

    save, saved = stage.save_checkpoint, []

    def cut_after_the_first(path, *state):
        save(path, *state)
        saved.append(path)
        if len(saved) == 1:
            raise Cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "save_checkpoint", cut_after_the_first)
        with pytest.raises(Cut):
            train_detector(work, DETECTOR)
    train_detector(work, DETECTOR)

    for name, tensor in final_weights().items():
        assert torch.equal(tensor, expected[name]), name

    # Asked for another, it does not take this one for it.
    with pytest.raises(UserError, match=r"is of another training \(seed 0, now 1\)"):
        train_detector(work, replace(DETECTOR, seed=1))
    with pytest.raises(UserError, match=r"is of another training \(shift 3.0, now 2.0\)"):
        train_detector(work, DETECTOR, Augmentation(shift=2.0))


@pytest.mark.usefixtures("few_looks")
def test_what_was_trained_on_another_corpus_is_not_taken_for_it(work, corpus):
    train_detector(work, QUICK_DETECTOR)
    train_draft(work, QUICK_GAN)
    (work / "corpus").unlink()
    shutil.copytree(corpus / "corpus", work / "corpus")
    file = next((work / "corpus").glob("0000.safetensors"))
    with safe_open(file, "pt") as kept:
        facts = kept.metadata()
    tensors = load_file(file)
    tensors["labels"][:50] = UNCERTAIN
    save_file(tensors, file, metadata=facts)
    for train in (train_detector, train_draft):
        with pytest.raises(UserError, match=r"is of another training \(songs "):
            train(work, QUICK_DETECTOR if train is train_detector else QUICK_GAN)


def test_a_refinement_is_of_its_draft(work):
    train_gan(work, QUICK_GAN, QUICK_GAN)
    shutil.rmtree(work / "draft")
    with pytest.raises(UserError, match=r"gan/checkpoint.pt is of another training \(began "):
        train_gan(work, QUICK_GAN, replace(QUICK_GAN, seed=1))


def test_a_detector_needs_somebody_singing_in_the_validation_songs(work, corpus):
    (work / "corpus").unlink()
    shutil.copytree(corpus / "corpus", work / "corpus")
    index = work / "corpus" / "corpus.json"
    songs = [song for song in json.loads(index.read_text()) if song["source"] != "two"]
    index.write_text(json.dumps(songs))
    with pytest.raises(UserError, match="no validation song in which somebody sings"):
        train_detector(work, DETECTOR)


def test_the_card_of_another_corpus_says_nothing_of_the_house():
    shipped = Path(tune_am.vocal.__file__).parent / "pack"
    about = json.loads((shipped / "pack.json").read_text(encoding="utf-8"))
    house = data_card(about)
    assert house == (shipped / "README.md").read_text(encoding="utf-8")
    house = " ".join(house.split())
    assert "one sings most of the training songs" in house
    assert "both it and the detector also learned from the same speech made to sing" in house
    about["voices"] = {"speakers": 0, "minutes": 0.0}
    del about["metrics"]["detector"]["test"]
    about["sources"] = [{"id": "x", "path": "song.ogg", "role": "sung", "licence": "CC0-1.0"}]
    other = " ".join(data_card({**about, "corpus": "jamendo"}).split())
    assert "| x | x | sung |" in other
    assert "speech made to sing" not in other
    for said in ("one song each of two acts", "one sings most", "music without any singing."):
        assert said in house
        assert said not in other


@pytest.mark.usefixtures("few_looks")
def test_the_detector_s_logits_are_calibrated_on_the_validation_songs(work):
    def heard(weights):
        detector = Detector()
        detector.load_state_dict(load_file(weights))
        return labelled_logits(detector.eval(), load_corpus(work, "valid"), 4 * VALIDATION_HOP)

    weights = train_detector(work, QUICK_DETECTOR)
    raw, labels = heard(weights.with_name("best.safetensors"))
    values, _ = heard(weights)

    assert balanced_threshold(values, labels) == pytest.approx(0, abs=1e-4)
    divisor = temperature(raw, labels)
    shifted = (raw - balanced_threshold(raw, labels)) / divisor
    torch.testing.assert_close(values, shifted, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("few_looks")
def test_build_gives_a_whole_pack(recordings, work, monkeypatch):
    monkeypatch.setattr("tune_am.vocal.build_pack.SAMPLES", 40)
    # Measured every second of the songs, too.
    monkeypatch.setattr(labelled_logits, "__defaults__", (5 * HOP_FRAMES,))
    out = work / "pack"

    gan = replace(GAN, seed=1)
    detector = replace(DETECTOR, seed=1)
    build_pack(recordings, out, work, recordings / "debian", detector, gan, replace(gan, steps=2))

    pack = Pack.load(out)
    assert pack.input_shape == (80, 115)
    assert pack.neuron("vocal").layer == "fc9"
    assert list(pack.layers) == ["conv1", "conv2", "conv4", "conv5", "fc7", "fc8", "fc9"]
    frames = sum(len(t.labels) for t in load_corpus(work, "valid", "test") if t.sung)
    assert len(pack.reference) >= frames // 35
    # Sung songs of the test first, one excerpt every half second, 20 to a group of 10 s.
    assert pack.reference.groups.bincount().max() == 20
    facts = json.loads((out / "pack.json").read_text())
    assert set(facts["metrics"]["detector"]) >= {"valid", "test"}
    assert facts["metrics"]["gan"]["samples"] == 40
    assert 0 <= facts["metrics"]["detector"]["test"]["auc"] <= 1
    assert [song["name"] for song in facts["metrics"]["detector"]["songs"]] == [
        "Two - Song",
        "Three - Song",
    ]
    assert pack.excerpts is not None
    assert len(pack.excerpts) == 128
    assert pack.excerpts.credits[0].startswith("one: One - Song, second ")
    card = (out / "README.md").read_text()
    assert "| one | One | sung | train | CC-BY-SA-3.0 | yes |" in card
    told = next(line for line in card.splitlines() if line.startswith(f"    {COMMAND} "))
    given = "--corpus house --detector-steps 4 --draft-steps 2 --gan-steps 4 --seed 1 --device cpu"
    assert told == f"    {COMMAND} --data DIR --out PACK {given}"
    assert (out / "samples.png").stat().st_size > 20_000


def test_stages_need_the_corpus(tmp_path):
    with pytest.raises(UserError, match="no corpus in"):
        train_gan(tmp_path, GAN, GAN)
