"""The judge: its training, its file, and what it says of a finished search."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest

from tests.commands import command
from tune_am.am import random_classifier
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.vocal.corpus import Track, load_corpus
from tune_am.vocal.evaluation import balanced_threshold
from tune_am.vocal.judge import CLASSIFIERS, NEVER, STARTS, main, verdict, wilson_interval
from tune_am.vocal.judge_net import SHIPPED, Judge, hear, load_judge, save_judge
from tune_am.vocal.melspec import excerpts, log_mel, read_audio
from tune_am.vocal.train_judge import (
    JudgeTraining,
    heard_by_judge,
    never_heard,
    train_judge,
)

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"
TRAINING = JudgeTraining(steps=4, fold_steps=2, batch=8, checkpoint_every=2)


class Cut(Exception):
    """The training is killed."""


def test_an_interrupted_training_ends_as_if_it_had_not_been(corpus, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for work in (whole, cut):
        work.mkdir()
        (work / "corpus").symlink_to(corpus / "corpus")
    expected = train_judge(whole, TRAINING)

    from tune_am.vocal import training as stage

    save = stage.save_checkpoint

    def cut_after_the_first(path, *state):
        save(path, *state)
        if path.parent.name == "judge":  # the judge itself, after those without an act
            raise Cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "save_checkpoint", cut_after_the_first)
        with pytest.raises(Cut):
            train_judge(cut, TRAINING)
    assert not (cut / "judge" / "judge.safetensors").exists()
    resumed = train_judge(cut, TRAINING)

    assert load_judge(resumed)[1] == load_judge(expected)[1]  # sha256 of the weights and measures
    facts = load_judge(expected)[1]
    assert facts["trained_on"] == ["three", "two"]
    assert set(facts["measures"]) == {"one", "all", "instrumental"}
    assert 0 <= facts["measures"]["one"]["auc"] <= 1


def test_it_learns_from_speech_made_to_sing_too(corpus, tmp_path):
    (tmp_path / "corpus").symlink_to(corpus / "corpus")
    with pytest.raises(UserError, match="no voices in"):
        train_judge(tmp_path, TRAINING, voices=True)
    without = load_judge(train_judge(tmp_path, TRAINING))[1]
    (song,) = (song for song in load_corpus(corpus, "train") if song.sung)
    folder = tmp_path / "voices"  # as its stage leaves it: a song in place of a voice
    folder.mkdir()
    tensors = {"log_mel low": song.log_mel, "labels low": song.labels}
    save_file(tensors, folder / "one.safetensors")
    facts = {"file": "one.safetensors", "source": "them", "licence": "CC0-1.0", "held_out": False}
    (folder / "voices.json").write_text(json.dumps([facts]))
    with pytest.raises(
        UserError, match=r"another training \(voices 0 .*, now 1 .*\): take another"
    ):
        train_judge(tmp_path, TRAINING, voices=True)
    shutil.rmtree(tmp_path / "judge")
    taught = load_judge(train_judge(tmp_path, TRAINING, voices=True))[1]
    assert (without["voices"], taught["voices"]) == (0, 1)
    assert taught["trained_on"] == without["trained_on"]
    assert taught["sha256"] != without["sha256"]


def test_the_threshold_weighs_both_kinds_alike():
    values = torch.tensor([-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, -2.5, 0.5])
    labels = torch.tensor([0.0] * 8 + [1.0] * 2)

    def balanced_error(threshold):
        heard = values > threshold
        return (heard[labels == 0].float().mean() + (~heard)[labels == 1].float().mean()) / 2

    least = min(balanced_error(value + 0.1) for value in torch.arange(-5, 4, 0.5))
    assert balanced_error(balanced_threshold(values, labels)) == least == 3 / 8
    assert balanced_threshold(values + 7, labels) - 7 == balanced_threshold(values, labels)
    sure = torch.tensor([-5.0, -4.9, -4.0, -3.9])
    assert -4.9 <= balanced_threshold(sure, torch.tensor([0.0, 0, 1, 1])) < -4


def test_no_act_of_a_training_song_is_heard():
    def song(source, split, sung=True):
        nothing = torch.zeros(80, 1)
        return Track("", source, split, sung, False, nothing, nothing[0])

    known, other = song("band", "test"), song("singer", "test")
    piece, trained = song("game", "valid", sung=False), song("game", "train", sung=False)
    tracks = [song("band", "train"), known, other, piece, trained]

    assert heard_by_judge(tracks) == [other, piece]
    assert never_heard(tracks) == [tracks[0], known, trained]


def test_training_needs_singing_of_other_acts(corpus, tmp_path):
    (tmp_path / "corpus").mkdir()
    index = json.loads((corpus / "corpus" / "corpus.json").read_text())
    for entry in index:
        entry["file"] = str(corpus / "corpus" / entry["file"])
    trained = [entry for entry in index if entry["split"] == "train"]
    (tmp_path / "corpus" / "corpus.json").write_text(json.dumps(trained))
    with pytest.raises(UserError, match="no sung validation or test songs"):
        train_judge(tmp_path, TRAINING)


def test_the_judge_is_not_the_detector_and_is_small():
    judge = Judge()
    assert sum(weight.numel() for weight in judge.parameters()) < 1_000_000
    assert not any(isinstance(module, torch.nn.MaxPool2d) for module in judge.modules())
    x = torch.randn(3, 80, 115)
    heard = hear(judge.eval(), x)
    assert heard.features.shape == (3, 128)
    torch.testing.assert_close(heard.logits, judge(x).detach())


def test_files_that_are_no_judge_get_one_line(tmp_path):
    file, altered = tmp_path / "judge.safetensors", tmp_path / "altered.safetensors"
    save_judge(Judge(), file, {"trained_on": ["somebody"]})
    assert load_judge(file)[1]["trained_on"] == ["somebody"]
    tensors = load_file(file)
    tensors["out.bias"] += 1
    with safe_open(file, "pt") as whole:
        save_file(tensors, altered, metadata=whole.metadata())
    (tmp_path / "text").write_text("no weights")
    save_file({"x": torch.zeros(2)}, tmp_path / "bare")
    for name, message in (
        ("altered.safetensors", "not those that were saved"),
        ("text", "is no judge"),
        ("bare", "is no judge"),
        ("nothing", "no judge in"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            load_judge(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_shipped_judge_hears_the_singer_enter():
    judge, facts = load_judge()
    assert SHIPPED.stat().st_size < 1_000_000
    assert facts["measures"]["all"]["auc"] > 0.9
    # The clip is of an act that it never heard.
    assert not {"marsshooter", "ultrastar-coulton"} & set(facts["trained_on"])

    # The singer enters at 7.7 s; half a second on either side belongs to neither.
    clip = log_mel(read_audio(CLIP))
    before, after = (
        verdict(judge, excerpts(clip, torch.arange(start * 70, end * 70, 14)))
        for start, end in ((1, 7), (9, 14))
    )

    assert before.heard_as_singing < 0.3
    assert after.heard_as_singing > 0.6
    assert before.n == 30


@pytest.mark.parametrize(("heard", "n"), [(0, 50), (50, 50), (47, 50), (1, 3), (1, 1)])
def test_wilson_interval(heard, n):
    expected = binomtest(heard, n).proportion_ci(method="wilson")
    assert wilson_interval(heard, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_excerpts_heard_alike_count_once() -> None:
    judge_net, _ = load_judge()
    silence = torch.full((8, 80, 115), -16.0)
    every, few = verdict(judge_net, silence), verdict(judge_net, silence, independent=2)
    assert (few.heard_as_singing, few.n) == (every.heard_as_singing, 8)
    assert few.ci95 == wilson_interval(2 * few.heard_as_singing, 2)
    assert verdict(judge_net, silence, independent=9) == every


def judged(*arguments: object) -> CompletedProcess[str]:
    return command("tune_am.vocal.judge", *arguments)


@pytest.fixture(scope="module")
def of_least(runs, tmp_path_factory) -> tuple[CompletedProcess[str], dict]:
    """What the command prints of the search ``least``, and what it writes."""
    out = tmp_path_factory.mktemp("judged") / "verdict.json"
    done = judged(runs / "least", "--json", out)
    return done, json.loads(out.read_text())


def test_the_command_judges_a_search(runs, of_least):
    run, (done, said) = runs / "least", of_least
    assert (done.returncode, done.stderr) == (0, "")
    assert said["direction"] == "min"
    assert said["judge"] == load_judge()[1]
    assert {
        "best",
        "never_optimised",
        "random_classifier",
        "real_most",
        "real_least",
    } <= said.keys()
    assert [said[row]["n"] for row in ("best", "never_optimised")] == [10, NEVER]
    assert 0 < said["random_classifier"]["n"] <= CLASSIFIERS * STARTS
    # What was said of the best is what the judge says of the inputs that the search kept.
    kept = verdict(load_judge()[0], load_file(run / "best.safetensors")["inputs"])
    assert said["best"]["heard_as_singing"] == kept.heard_as_singing
    assert said["best"]["ci95"] == list(kept.ci95)
    assert f"best setting{kept.heard_as_singing:>24.0%}" in done.stdout
    assert "area under the curve" in done.stdout


def test_real_excerpts_are_judged_in_halves(runs, of_least, shown_pack, capsys, tmp_path):
    pack = Pack.load(shown_pack)
    assert pack.excerpts is not None
    main([str(runs / "most"), "--json", str(tmp_path / "verdict.json")])
    most, least = json.loads((tmp_path / "verdict.json").read_text()), of_least[1]
    half = len(pack.excerpts) // 2
    assert most["real_most"]["n"] == half
    # They are the neuron's, whichever way it was searched.
    for name in ("real_most", "real_least"):
        assert most[name] == least[name]
    assert "real, most exciting" in capsys.readouterr().out


def test_only_classifiers_that_kept_an_example_count(runs, monkeypatch, tmp_path):
    def latents(pack, plan, settings, step, classifiers):
        assert (plan.starts, classifiers) == (CLASSIFIERS * STARTS, CLASSIFIERS)
        of = torch.arange(0, classifiers, 4).repeat_interleave(STARTS)
        return torch.zeros(len(of), *pack.prior.latent_shape), of

    monkeypatch.setattr(random_classifier, "ascended_latents", latents)
    main([str(runs / "most"), "--json", str(tmp_path / "verdict.json")])
    said = json.loads((tmp_path / "verdict.json").read_text())["random_classifier"]
    assert (said["n"], said["independent"]) == (CLASSIFIERS // 4 * STARTS, CLASSIFIERS // 4)


def test_bad_run_folders_get_one_line(runs, tmp_path):
    done = judged(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "search.json" in done.stderr
    assert done.stderr.count("\n") == 1
    run = str(runs / "most")
    for arguments, message in (
        ([str(tmp_path / "none")], "no run folder"),
        ([run, "--json", str(tmp_path / "none" / "file")], "no such folder for --json"),
        ([run, "--json", str(tmp_path)], "is a folder: name a file"),
        ([run, "--pack", "vocal"], "is not the one that"),
        ([run, "--judge", str(tmp_path / "none")], "no judge in"),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_the_corpus_of_the_test_has_what_the_judge_needs(corpus):
    heard = heard_by_judge(load_corpus(corpus))
    assert {song.source for song in heard if song.sung} == {"two", "three"}
