"""How well does the detector hear singers that it never heard, and what would help?

    python bench/detector.py --work DIR [--study augmentation singers seeds] [--workers 1]
                             [--device auto] [--steps 5000]

Three studies of the published network, on the corpus in DIR (`tune_am.vocal.corpus`). Each training
is noted in DIR/detector-bench.jsonl when it is done, and not done again. Prints one table a study:

    augmentation  one of the training or validation acts is left out in turn, and the area under the
                  ROC curve taken on its songs: by which augmentations are chosen
    singers       the same on the test acts, trained on fewer acts: the learning curve
    seeds         the training of the pack with several seeds, on the test acts
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, stdev

import torch

from tune_am.choices import DEVICES
from tune_am.packs.device import chosen_device
from tune_am.vocal import evaluation
from tune_am.vocal.batches import Augmentation
from tune_am.vocal.corpus import Track, corpus_digest, load_corpus
from tune_am.vocal.nets import Detector
from tune_am.vocal.train_detector import DetectorTraining
from tune_am.vocal.train_judge import AUGMENTATION as WIDE
from tune_am.vocal.training import train_on
from tune_am.vocal.voices import has_voices, load_voices

HOP = 14  # frames between predictions: 0.2 s
STUDIES = ("augmentation", "singers", "seeds")
USUAL = "usual"  # that of the pack, without its voices
LOUDER = Augmentation(mix=0.6, mix_loudest=0.35)
AUGMENTATIONS = {
    "none": Augmentation(stretch=0, shift=0, gain=0, filter=0, mix=0),
    USUAL: Augmentation(),
    "wide": WIDE,
    "louder music": LOUDER,
    "voices": Augmentation(),
    "wide, voices": WIDE,
    "louder music, voices": LOUDER,
}


@dataclass(frozen=True)
class Run:
    """One training: by which augmentation, on which acts, measured on which."""

    study: str
    augmentation: str
    trained_on: tuple[str, ...]
    measured_on: tuple[str, ...]
    seed: int
    steps: int
    corpus: str  # digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder with the corpus")
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--workers", type=int, default=1, help="trainings at a time [1]")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="[auto]")
    parser.add_argument(
        "--steps", type=int, default=DetectorTraining.steps, help="of each training"
    )
    arguments = parser.parse_args()
    training = DetectorTraining(steps=arguments.steps, device=chosen_device(arguments.device))
    file = arguments.work / "detector-bench.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    done = {json.dumps(json.loads(line)["run"]) for line in lines}
    corpus, of = load_corpus(arguments.work), (arguments.steps, corpus_digest(arguments.work))
    asked = {
        study: runs(study, corpus, has_voices(arguments.work), of) for study in arguments.study
    }
    left = [
        run
        for study in arguments.study
        for run in asked[study]
        if json.dumps(asdict(run)) not in done
    ]
    workers = ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn"))
    with workers, file.open("a") as notes:
        futures = {workers.submit(measured, arguments.work, run, training): run for run in left}
        for future in as_completed(futures):
            line = {"run": asdict(futures[future]), "auc": future.result()}
            notes.write(json.dumps(line) + "\n")
            notes.flush()
            print(json.dumps(line), flush=True)
    for study in arguments.study:
        mine = {json.dumps(asdict(run)) for run in asked[study]}
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        table(study, [line for line in lines if json.dumps(line["run"]) in mine])


def runs(study: str, corpus: list[Track], voices: bool, of: tuple[int, str]) -> list[Run]:
    acts = {
        split: sorted({t.source for t in corpus if t.sung and t.split == split})
        for split in ("train", "valid", "test")
    }
    test = tuple(act for act in acts["test"] if act not in acts["train"])
    if study == "augmentation":
        known = sorted({*acts["train"], *acts["valid"]})
        return [
            Run(study, name, tuple(a for a in known if a != act), (act,), 0, *of)
            for name in AUGMENTATIONS
            if voices or "voices" not in name
            for act in known
        ]
    if study == "singers":
        return [
            Run(study, USUAL, chosen, test, 0, *of)
            for count in range(1, len(acts["train"]))
            for chosen in combinations(acts["train"], count)
        ]
    return [Run(study, USUAL, tuple(acts["train"]), test, seed, *of) for seed in range(3)]


def measured(work: Path, run: Run, training: DetectorTraining) -> dict[str, float]:
    """Area under the ROC curve by act, of songs that the training left out."""
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    corpus = load_corpus(work)
    left_out = {*run.measured_on}
    tracks = [
        t
        for t in corpus
        if (t.source in run.trained_on and t.sung and t.split in ("train", "valid"))
        or (not t.sung and t.split == "train" and t.source not in left_out)
    ]
    voices = load_voices(work, "train") if "voices" in run.augmentation else []
    training = replace(training, seed=run.seed, checkpoint_every=training.steps)
    torch.manual_seed(run.seed)
    with tempfile.TemporaryDirectory() as folder:
        detector = train_on(
            Detector(batch_norm=True),
            tracks,
            training,
            AUGMENTATIONS[run.augmentation],
            Path(folder),
            lambda step, loss, kept: kept,
            voices,
        )
    held_out = ("train", "valid") if run.study == "augmentation" else ("test",)
    areas = {}
    for act in run.measured_on:
        songs = [t for t in corpus if t.source == act and t.split in held_out]
        areas[act] = evaluation.measure(*evaluation.labelled_logits(detector, songs, HOP)).auc
    return areas


def table(study: str, lines: list[dict]) -> None:
    groups: defaultdict[str, list[dict[str, float]]] = defaultdict(list)
    for line in lines:
        run = line["run"]
        acts = f"{len(run['trained_on'])} acts"
        groups[run["augmentation"] if study == "augmentation" else acts].append(line["auc"])
    acts = sorted({act for areas in groups.values() for area in areas for act in area})
    print(f"\n{study}: area under the ROC curve on acts that were left out")
    print(f"{'':20}{'runs':>5}{'mean':>8}{'spread':>8}" + "".join(f"{a[-12:]:>14}" for a in acts))
    for name, areas in groups.items():
        each = [mean(area.values()) for area in areas]
        spread = stdev(each) if len(each) > 1 else 0.0
        row = f"{name:20}{len(each):5d}{mean(each):8.3f}{spread:8.3f}"
        for act in acts:
            found = [area[act] for area in areas if act in area]
            row += f"{mean(found):14.3f}" if found else f"{'-':>14}"
        print(row)


if __name__ == "__main__":
    main()
