"""Trains the judge, on songs of acts that the detector and the GAN never learned from.

Run alone: ``python -m tune_am.vocal.train_judge --work DIR [--voices] [--steps N] [--seed N]``. The
same command goes on from the last checkpoint and ends with ``DIR/judge/judge.safetensors``; copied
to ``tune_am/vocal/judge.safetensors`` it is the judge that comes with the package. That one learned
with ``--voices``: from the detector's own speech made to sing too.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from tune_am.errors import UserError
from tune_am.vocal import evaluation
from tune_am.vocal.batches import Augmentation
from tune_am.vocal.checkpoint import append_log
from tune_am.vocal.corpus import Track, load_corpus
from tune_am.vocal.judge_net import Judge, load_judge, save_judge
from tune_am.vocal.training import Training, train_on
from tune_am.vocal.voices import load_voices

HOP = 14  # frames between the predictions that are measured: 0.2 s
INSTRUMENTAL_HOP = 70


@dataclass(frozen=True)
class JudgeTraining(Training):
    """How the judge is trained. Few singers: it may learn little by heart."""

    steps: int = 2400
    lr: float = 2e-3
    weight_decay: float = 5e-2
    checkpoint_every: int = 100
    fold_steps: int = 1000  # of each training without one of the acts


# Wider than the detector's: there are fewer singers to learn from.
AUGMENTATION = Augmentation(stretch=0.3, shift=6.0, gain=1.0, filter=1.6, mix=0.6)


def heard_by_judge(tracks: Sequence[Track]) -> list[Track]:
    """Its training songs: those of the other splits, without the acts of any training song."""
    acts = _acts(tracks)
    return [t for t in tracks if t.split != "train" and not (t.source in acts and t.sung)]


def never_heard(tracks: Sequence[Track]) -> list[Track]:
    """The songs it is measured on: of acts and from pieces that the judge never heard."""
    acts = _acts(tracks)
    return [t for t in tracks if t.split == "train" or (t.source in acts and t.sung)]


def _acts(tracks: Sequence[Track]) -> set[str]:
    """Sources with a sung song for training."""
    return {t.source for t in tracks if t.sung and t.split == "train"}


def train_judge(
    work: Path, training: JudgeTraining = JudgeTraining(), voices: bool = False
) -> Path:
    """Trains (or goes on), measures, and returns the file with the judge.

    Few singers make it too sure that a voice it does not know is none. What it says of each act
    when trained without that act gives the threshold, which then becomes the logit 0, and the area
    under the ROC curve by which trainings may be compared. voices: whether it also learns from
    speech made to sing (the voices stage).

    Raises:
        UserError: the corpus has no songs with singing for it.
    """
    folder = work / "judge"
    folder.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(work)
    tracks = heard_by_judge(corpus)
    acts = sorted({song.source for song in tracks if song.sung})
    if not acts:
        raise UserError(f"the corpus in {work} has no sung validation or test songs of other acts")
    sung = load_voices(work, "train") if voices else []
    parts = []
    for act in acts if len(acts) > 1 else []:
        others = [song for song in tracks if song.source != act]
        fold = replace(training, steps=training.fold_steps)
        without = _trained(folder / f"without-{act}", others, fold, sung)
        left_out = [song for song in tracks if song.source == act]
        parts.append(evaluation.labelled_logits(without, left_out, HOP))
    threshold = (
        evaluation.balanced_threshold(*map(torch.cat, zip(*parts, strict=True))) if parts else 0.0
    )
    judge = _trained(folder, tracks, training, sung)
    with torch.no_grad():
        judge.out.bias.sub_(threshold)
    file = folder / "judge.safetensors"
    facts = {
        "trained_on": acts,
        "training": asdict(training),
        "minutes": round(evaluation.minutes(tracks), 1),
        "threshold": threshold,
        "voices": len(sung),
        "left_out_auc": [evaluation.measure(*part).auc for part in parts],
    }
    save_judge(judge, file, facts)
    save_judge(
        judge,
        file,
        facts | {"measures": judge_measures(load_judge(file)[0].to(training.device), corpus)},
    )
    return file


def _trained(
    folder: Path, tracks: list[Track], training: JudgeTraining, voices: Sequence[Track]
) -> Judge:
    """A judge trained on `tracks`, its checkpoint in `folder`; in evaluation mode."""

    def logged(step: int, loss: float, kept: dict[str, Any]) -> dict[str, Any]:
        append_log(folder, {"step": step, "loss": loss})
        return kept

    torch.manual_seed(training.seed)
    judge = Judge()
    train_on(judge, tracks, training, AUGMENTATION, folder, logged, voices)
    return judge


def judge_measures(judge: Judge, corpus: Sequence[Track]) -> dict[str, dict[str, Any]]:
    """Measures on what the judge never heard, at the logit 0: ``all``, and for each sung source.

    ``instrumental``: pieces without singing, where errors are false alarms.
    """
    sung: defaultdict[str, list[Track]] = defaultdict(list)
    instrumental = []
    for song in never_heard(corpus):
        if song.sung:
            sung[song.source].append(song)
        else:
            instrumental.append(song)
    heard = {
        source: evaluation.labelled_logits(judge, songs, HOP)
        for source, songs in track(sung.items(), "judge's measures")
    }
    measures = {source: asdict(evaluation.measure(*pair)) for source, pair in heard.items()}
    values, labels = (torch.cat(column) for column in zip(*heard.values(), strict=True))
    measures["all"] = asdict(evaluation.measure(values, labels))
    if instrumental:
        values, _ = evaluation.labelled_logits(judge, instrumental, INSTRUMENTAL_HOP)
        alarms = float((values > 0).float().mean())
        measures["instrumental"] = {"false_positives": alarms, "predictions": len(values)}
    return measures


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    parser = stage_parser(__doc__, steps=JudgeTraining.steps)
    parser.add_argument("--voices", action="store_true", help="learn from speech made to sing too")
    options = parser.parse_args(argv)
    training = JudgeTraining(steps=options.steps, seed=options.seed, device=options.device)
    file = train_judge(options.work, training, options.voices)
    print(json.dumps(load_judge(file)[1], indent=2))


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
