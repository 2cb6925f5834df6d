"""Builds the vocal pack from recordings: corpus, detector, GAN, reference, card.

    python -m tune_am.vocal.build_pack --data DIR --out PACK [--corpus LAYOUT] [--work DIR]
                                       [--debian DIR] [--voices]

Each stage goes on where it stopped; ``corpus``, ``voices``, ``train_detector``, ``held_out`` and
``train_gan`` are modules that also run alone on the same work folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from tune_am.command import CommandParser
from tune_am.packs.pack import Pack, write_pack
from tune_am.packs.reference import GROUPS
from tune_am.packs.statistics import InputStatistics
from tune_am.vocal import card, samples
from tune_am.vocal.batches import Batches
from tune_am.vocal.checkpoint import STORED, load_trained, read_log
from tune_am.vocal.corpus import build_corpus, load_corpus
from tune_am.vocal.evaluation import minutes
from tune_am.vocal.fidelity import fidelity
from tune_am.vocal.gan import GanTraining
from tune_am.vocal.held_out import LAYERS, held_out
from tune_am.vocal.layouts import HOUSE, SEE_THE_SET, describe_sources
from tune_am.vocal.melspec import BANDS, FRAMES, HOP, LOG_FLOOR, SAMPLE_RATE, WINDOW
from tune_am.vocal.nets import Detector
from tune_am.vocal.refined import load_generator
from tune_am.vocal.stages import add_corpus_options, add_training_options, run_stage, step_count
from tune_am.vocal.train_detector import DetectorTraining, train_detector
from tune_am.vocal.train_gan import DRAFT, REFINEMENT, train_gan
from tune_am.vocal.voices import build_voices, load_voices

COMMAND = "python -m tune_am.vocal.build_pack"
SAMPLES = 400  # random samples whose share heard as singing is reported
# Part of the house's sung training songs is NC.
WEIGHTS_LICENCE = {HOUSE: "CC-BY-NC-SA-4.0"}
SHOWN = 64  # real excerpts of either kind that the pack brings along


def build_pack(
    data: Path,
    out: Path,
    work: Path,
    debian: Path | None = None,
    detector_training: DetectorTraining = DetectorTraining(),
    gan_training: GanTraining = REFINEMENT,
    draft_training: GanTraining = DRAFT,
    corpus: str = HOUSE,
    voices: bool = False,
) -> Pack:
    """All stages; returns the pack as loaded from ``out``, which is replaced when it exists.

    corpus: how ``data`` is laid out, see ``layouts``. voices: whether the detector also learns from
    speech made to sing.
    """
    work.mkdir(parents=True, exist_ok=True)
    build_corpus(data, work, debian, corpus)
    if voices:
        build_voices(work, debian)
    train_detector(work, detector_training, voices=voices)
    held_out(work)
    train_gan(work, gan_training, draft_training)
    return assemble(
        data, out, work, detector_training, gan_training, draft_training, corpus, voices
    )


def assemble(
    data: Path,
    out: Path,
    work: Path,
    detector_training: DetectorTraining,
    gan_training: GanTraining,
    draft_training: GanTraining,
    corpus: str,
    voices: bool,
) -> Pack:
    """Measures the trained networks on held-out songs and writes the pack with its card."""
    detector = load_trained(Detector(), work / "detector" / "detector.safetensors")
    generator = load_generator(work / "gan" / "generator.safetensors")
    metrics, reference = held_out(work)
    drawn = samples.draw_samples(generator, SAMPLES)
    sung, sung_credits = samples.real_excerpts(work, SHOWN, sung=True)
    rest, rest_credits = samples.real_excerpts(work, SHOWN, sung=False)
    shown = sung_credits + rest_credits
    about = {
        "licence": {"weights": WEIGHTS_LICENCE.get(corpus, SEE_THE_SET), "code": "Apache-2.0"},
        "corpus": corpus,
        "sources": describe_sources(corpus, data),
        "voices": _voices(work) if voices else {"speakers": 0, "minutes": 0.0},
        "corpus_minutes": {
            split: round(minutes(load_corpus(work, split)), 1)
            for split in ("train", "valid", "test")
        },
        "training": {
            "command": _command(detector_training, gan_training, draft_training, corpus, voices),
            "detector": asdict(detector_training),
            "draft": asdict(draft_training) | _spent(work / "draft"),
            "gan": asdict(gan_training) | _spent(work / "gan"),
        },
        "metrics": {
            "detector": metrics,
            "gan": {
                "samples": SAMPLES,
                "heard_as_singing": samples.share_heard_as_singing(detector, drawn),
                "fidelity": fidelity(
                    work, work / "gan" / "generator.safetensors", gan_training.compared
                ),
            },
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        picture, readme = Path(scratch) / card.PICTURE, Path(scratch) / "README.md"
        rows = {"real, sung": sung, "real, not sung": rest} if shown else {}
        rows |= {"generated": drawn, "generated ": drawn[samples.COLUMNS :]}
        samples.picture(picture, rows)
        readme.write_text(card.data_card(about), encoding="utf-8")
        return write_pack(
            out,
            name="vocal",
            classifier=detector,
            classifier_config={},
            generator=generator,
            generator_config={},
            latent=generator.latent,
            input={
                "domain": "log-mel",
                "shape": [BANDS, FRAMES],
                "range": [LOG_FLOOR, None],
                "units": "log-mel: natural log of max(magnitude, 1e-7)",
                "sample_rate": SAMPLE_RATE,
                "window": WINDOW,
                "hop": HOP,
            },
            layers=LAYERS,
            neurons={"vocal": "fc9:0"},
            reference=reference,
            groups=reference[GROUPS],
            excerpts=torch.cat([sung, rest]) if shown else None,
            credits=shown,
            statistics=_statistics(work),
            about=about,
            files=[picture, readme],
            dtype=STORED,
            overwrite=True,
        )


def _command(
    detector: DetectorTraining, gan: GanTraining, draft: GanTraining, corpus: str, voices: bool
) -> str:
    """What to type for the same pack, whatever the defaults are by then."""
    how = {
        "--corpus": corpus,
        "--detector-steps": detector.steps,
        "--draft-steps": draft.steps,
        "--gan-steps": gan.steps,
        "--seed": detector.seed,
        "--device": detector.device,
    }
    options = " ".join(f"{flag} {value}" for flag, value in how.items())
    return f"{COMMAND} --data DIR --out PACK {options}" + (" --voices" if voices else "")


def _statistics(work: Path) -> InputStatistics:
    """Of training excerpts as the GAN had them, for priors without a network."""
    drawn, _ = Batches(load_corpus(work, "train")).draw(2000, torch.Generator().manual_seed(0))
    return InputStatistics.of(drawn, (LOG_FLOOR, None))


def _spent(folder: Path) -> dict[str, Any]:
    """Seconds that a GAN's training took, and the device that it ended on."""
    last = read_log(folder)[-1]
    return {name: last[name] for name in ("seconds", "device") if name in last}


def _voices(work: Path) -> dict[str, Any]:
    """Speakers and minutes of the speech made to sing."""
    tracks = load_voices(work, "train")
    return {
        "speakers": len({track.source for track in tracks}),
        "minutes": round(minutes(tracks), 1),
    }


def main(argv: list[str] | None = None) -> None:
    parser = CommandParser(
        prog=COMMAND,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_corpus_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack, replaced")
    parser.add_argument("--work", type=Path, help="folder for what the stages keep [OUT.work]")
    parser.add_argument("--detector-steps", type=step_count, default=DetectorTraining.steps)
    parser.add_argument("--draft-steps", type=step_count, default=DRAFT.steps)
    parser.add_argument("--gan-steps", type=step_count, default=REFINEMENT.steps)
    add_training_options(parser)
    parser.add_argument(
        "--voices", action="store_true", help="train on speech made to sing too (see voices.py)"
    )
    options = parser.parse_args(argv)
    out = options.out.resolve()
    how = {"seed": options.seed, "device": options.device}
    pack = build_pack(
        options.data,
        out,
        options.work or out.with_name(out.name + ".work"),
        options.debian,
        DetectorTraining(steps=options.detector_steps, **how),
        replace(REFINEMENT, steps=options.gan_steps, **how),
        replace(DRAFT, steps=options.draft_steps, **how),
        options.corpus,
        options.voices,
    )
    print(json.dumps(pack.manifest["metrics"], indent=2))
    print(f"pack written to {options.out}")


if __name__ == "__main__":
    run_stage(main)
