"""Builds the vocal pack from recordings: corpus, detector, GAN, reference, card.

    python -m tune_am.vocal.build_pack --data DIR --out PACK [--work DIR] [--debian DIR]

Each stage goes on where it stopped; ``corpus``, ``train_detector``, ``held_out`` and ``train_gan``
are modules that also run alone on the same work folder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from tune_am.am.pack import Pack, write_pack
from tune_am.vocal import card, samples
from tune_am.vocal.checkpoint import STORED, load_trained, read_log
from tune_am.vocal.corpus import build_corpus, load_corpus
from tune_am.vocal.evaluation import minutes
from tune_am.vocal.held_out import LAYERS, held_out
from tune_am.vocal.melspec import BANDS, FRAMES, HOP, SAMPLE_RATE, WINDOW
from tune_am.vocal.nets import Detector, Generator
from tune_am.vocal.sources import LEFT_OUT
from tune_am.vocal.stages import run_stage, step_count
from tune_am.vocal.train_detector import DetectorTraining, train_detector
from tune_am.vocal.train_gan import GanTraining, train_gan

SAMPLES = 400  # random samples whose share heard as singing is reported


def build_pack(
    data: Path,
    out: Path,
    work: Path,
    debian: Path | None = None,
    detector_training: DetectorTraining = DetectorTraining(),
    gan_training: GanTraining = GanTraining(),
) -> Pack:
    """All stages; returns the pack as loaded from ``out``, which is replaced when it exists."""
    work.mkdir(parents=True, exist_ok=True)
    build_corpus(data, work, debian)
    train_detector(work, detector_training)
    held_out(work)
    train_gan(work, gan_training)
    return assemble(data, out, work, detector_training, gan_training)


def assemble(
    data: Path,
    out: Path,
    work: Path,
    detector_training: DetectorTraining,
    gan_training: GanTraining,
) -> Pack:
    """Measures the trained networks on held-out songs and writes the pack with its card."""
    detector = load_trained(Detector(), work / "detector" / "detector.safetensors")
    generator = load_trained(Generator(), work / "gan" / "generator.safetensors")
    metrics, reference = held_out(work)
    drawn = samples.draw_samples(generator, SAMPLES)
    log = read_log(work / "gan")
    about = {
        "licence": {"weights": "CC-BY-NC-SA-4.0", "code": "Apache-2.0"},
        "sources": _sources(data),
        "corpus_minutes": {
            split: round(minutes(load_corpus(work, split)), 1)
            for split in ("train", "valid", "test")
        },
        "training": {
            "command": "python -m tune_am.vocal.build_pack --data DIR --out PACK",
            "detector": asdict(detector_training),
            "gan": asdict(gan_training) | {"seconds": log[-1]["seconds"]},
        },
        "metrics": {
            "detector": metrics,
            "gan": {
                "samples": SAMPLES,
                "heard_as_singing": samples.share_heard_as_singing(detector, drawn),
            },
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        picture, readme = Path(scratch) / card.PICTURE, Path(scratch) / "README.md"
        samples.picture(
            picture,
            {
                "real, sung": samples.real_excerpts(work, samples.COLUMNS, sung=True),
                "real, not sung": samples.real_excerpts(work, samples.COLUMNS, sung=False),
                "generated": drawn,
                "generated ": drawn[samples.COLUMNS :],
            },
        )
        readme.write_text(card.data_card(about))
        return write_pack(
            out,
            name="vocal",
            classifier=detector,
            classifier_config={},
            generator=generator,
            generator_config={},
            latent=generator.latent,
            input={
                "shape": [BANDS, FRAMES],
                "units": "log-mel: natural log of max(magnitude, 1e-7)",
                "sample_rate": SAMPLE_RATE,
                "window": WINDOW,
                "hop": HOP,
            },
            layers=LAYERS,
            neurons={"vocal": "fc9:0"},
            reference=reference,
            about=about,
            files=[picture, readme],
            dtype=STORED,
            overwrite=True,
        )


def _sources(data: Path) -> list[dict]:
    listing = json.loads((data / "sources.json").read_text())
    keys = ("id", "artist", "debian", "path", "licence", "split", "excerpts")
    return [
        {"role": role} | {key: source[key] for key in keys if key in source}
        for role in ("sung", "no_singing")
        for source in listing[role]
        if source["id"] not in LEFT_OUT
    ]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tune_am.vocal.build_pack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with sources.json")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack, replaced")
    parser.add_argument("--work", type=Path, help="folder for what the stages keep [OUT.work]")
    parser.add_argument("--debian", type=Path, help="folder with the Debian packages")
    parser.add_argument("--detector-steps", type=step_count, default=DetectorTraining.steps)
    parser.add_argument("--gan-steps", type=step_count, default=GanTraining.steps)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    pack = build_pack(
        options.data,
        options.out,
        options.work or options.out.with_name(options.out.name + ".work"),
        options.debian,
        DetectorTraining(steps=options.detector_steps, seed=options.seed),
        GanTraining(steps=options.gan_steps, seed=options.seed),
    )
    print(json.dumps(pack.manifest["metrics"], indent=2))
    print(f"pack written to {options.out}")


if __name__ == "__main__":
    run_stage(main)
