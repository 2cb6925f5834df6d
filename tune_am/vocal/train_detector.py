"""Trains the singing-voice detector on the corpus.

Run alone: ``python -m tune_am.vocal.train_detector --work DIR [--steps N] [--seed N]``. The same
command goes on from the last checkpoint and ends with the weights that were best on the
validation songs, in ``DIR/detector/detector.safetensors``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tune_am.am.layout import laid_out
from tune_am.errors import UserError
from tune_am.vocal import evaluation
from tune_am.vocal.batches import Augmentation
from tune_am.vocal.checkpoint import append_log
from tune_am.vocal.corpus import Track, load_corpus
from tune_am.vocal.nets import Detector
from tune_am.vocal.training import Training, train_on
from tune_am.vocal.voices import load_voices

VALIDATION_HOP = 35  # frames between predictions while training: a look, not the final measure


@dataclass(frozen=True)
class DetectorTraining(Training):
    """How the detector is trained; it is validated at each checkpoint."""

    steps: int = 5000
    lr: float = 1e-3
    weight_decay: float = 1e-2
    checkpoint_every: int = 250


def train_detector(
    work: Path,
    training: DetectorTraining = DetectorTraining(),
    augmentation: Augmentation = Augmentation(),
    voices: bool = False,
) -> Path:
    """Trains (or goes on), keeps the best by the area under the curve, averaged over the validation
    songs (`evaluation.area_by_song`). voices: whether it also learns from speech made to sing (the
    voices stage).

    Returns:
        The file with the weights of the published network: batch normalisation folded in, logits
        calibrated on the validation songs.

    Raises:
        UserError: nobody sings in the validation songs, or as `train_on`.
    """
    folder = work / "detector"
    tracks, validation = load_corpus(work, "train"), load_corpus(work, "valid")
    if not any(song.sung for song in validation):
        raise UserError(f"the corpus in {work} has no validation song in which somebody sings")
    sung = load_voices(work, "train") if voices else []
    torch.manual_seed(training.seed)
    detector = Detector(batch_norm=True)

    def validated(step: int, loss: float, kept: dict[str, Any]) -> dict[str, Any]:
        detector.eval()
        heard = [evaluation.labelled_logits(detector, [s], VALIDATION_HOP) for s in validation]
        values, labels = map(torch.cat, zip(*heard, strict=True))
        score, area = evaluation.measure(values, labels), evaluation.area_by_song(heard)
        append_log(folder, {"step": step, "loss": loss, "area_by_song": area, **asdict(score)})
        best = kept.get("best", 0.0)
        if area > best:
            save_file(detector.folded(), folder / "best.safetensors")
        return {"best": max(best, area)}

    train_on(detector, tracks, training, augmentation, folder, validated, sung)
    return _calibrated(folder, validation)


def _calibrated(folder: Path, validation: list[Track]) -> Path:
    """Calibrates the best weights' logits on the validation songs: divided by their temperature,
    then less the threshold of the least balanced error, which so becomes 0."""
    weights = load_file(folder / "best.safetensors")
    network = Detector()  # on the CPU, wherever it was trained: so it is measured and shipped
    network.load_state_dict(weights)
    detector = laid_out(network.eval())
    values, labels = evaluation.labelled_logits(detector, validation, VALIDATION_HOP)
    temperature = evaluation.temperature(values, labels)
    threshold = evaluation.balanced_threshold(values / temperature, labels)
    for name in ("fc9.weight", "fc9.bias"):
        weights[name] /= temperature
    weights["fc9.bias"] -= threshold
    append_log(folder, {"temperature": temperature, "threshold": threshold})
    save_file(weights, folder / "detector.safetensors")
    return folder / "detector.safetensors"


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    parser = stage_parser(__doc__, steps=DetectorTraining.steps)
    parser.add_argument("--voices", action="store_true", help="learn from speech made to sing too")
    options = parser.parse_args(argv)
    train_detector(
        options.work,
        DetectorTraining(steps=options.steps, seed=options.seed, device=options.device),
        voices=options.voices,
    )


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
