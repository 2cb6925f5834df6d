"""Trains the singing-voice detector on the corpus.

Run alone: ``python -m tune_am.vocal.train_detector --work DIR [--steps N] [--seed N]``. The same
command goes on from the last checkpoint and ends with the weights that were best on the
validation songs, in ``DIR/detector/detector.safetensors``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import track
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from tune_am.am.layout import laid_out
from tune_am.vocal import evaluation
from tune_am.vocal.batches import Augmentation, Batches, augment
from tune_am.vocal.checkpoint import append_log, load_checkpoint, save_checkpoint
from tune_am.vocal.corpus import Track, band_statistics, load_corpus
from tune_am.vocal.melspec import FRAMES
from tune_am.vocal.nets import Detector
from tune_am.vocal.voices import has_voices, load_voices

VALIDATION_HOP = 35  # frames between predictions while training: a look, not the final measure


@dataclass(frozen=True)
class DetectorTraining:
    """How the detector is trained."""

    steps: int = 2500
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    validate_every: int = 250
    seed: int = 0


def train_detector(work: Path, training: DetectorTraining = DetectorTraining()) -> Path:
    """Trains (or goes on), keeps the best by validation area under the curve.

    Returns:
        The file with the weights of the published network: batch normalisation folded in, logits
        calibrated on the validation songs.
    """
    folder = work / "detector"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(training.seed)
    tracks = load_corpus(work, "train")
    validation = load_corpus(work, "valid")
    setting = Augmentation()
    width = int(FRAMES * (1 + setting.stretch) * 1.05) | 1
    voices = load_voices(work, "train") if has_voices(work) else []
    batches = Batches(tracks, width, voices)
    detector = Detector(batch_norm=True).to(memory_format=torch.channels_last)
    mean, std = band_statistics(tracks)
    detector.mean.copy_(mean)
    detector.std.copy_(std)
    optimiser = torch.optim.AdamW(
        detector.parameters(), lr=training.lr, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=training.lr, total_steps=training.steps
    )
    generator = torch.Generator().manual_seed(training.seed)
    first, best = 0, 0.0
    state = load_checkpoint(folder / "checkpoint.pt")
    if state is not None:
        first, best = state["step"], state["best"]
        detector.load_state_dict(state["detector"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        generator.set_state(state["generator"])

    for step in track(range(first + 1, training.steps + 1), "detector"):
        detector.train()
        x, labels = batches.draw(training.batch, generator)
        under = batches.instrumental(training.batch, generator)
        logits = detector(augment(x, under, setting, generator))
        loss = F.binary_cross_entropy_with_logits(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % training.validate_every and step != training.steps:
            continue
        detector.eval()
        score = evaluation.measure(
            *evaluation.labelled_logits(detector, validation, VALIDATION_HOP)
        )
        append_log(folder, {"step": step, "loss": loss.item(), **asdict(score)})
        if score.auc > best:
            best = score.auc
            save_file(detector.folded(), folder / "best.safetensors")
        save_checkpoint(
            folder / "checkpoint.pt",
            {
                "step": step,
                "best": best,
                "detector": detector.state_dict(),
                "optimiser": optimiser.state_dict(),
                "schedule": schedule.state_dict(),
                "generator": generator.get_state(),
            },
        )
    return _calibrated(folder, validation)


def _calibrated(folder: Path, validation: list[Track]) -> Path:
    """Divides the best weights' logits by their temperature on the validation songs."""
    weights = load_file(folder / "best.safetensors")
    network = Detector()
    network.load_state_dict(weights)
    detector = laid_out(network.eval())
    temperature = evaluation.temperature(
        *evaluation.labelled_logits(detector, validation, VALIDATION_HOP)
    )
    for name in ("fc9.weight", "fc9.bias"):
        weights[name] /= temperature
    append_log(folder, {"temperature": temperature})
    save_file(weights, folder / "detector.safetensors")
    return folder / "detector.safetensors"


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    options = stage_parser(__doc__, steps=DetectorTraining.steps).parse_args(argv)
    train_detector(options.work, DetectorTraining(steps=options.steps, seed=options.seed))


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
