"""How well a detector hears singing: predictions along songs, and their measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor, nn

from tune_am.packs.device import device_of
from tune_am.vocal.corpus import Track
from tune_am.vocal.labels import SUNG, UNCERTAIN
from tune_am.vocal.melspec import FRAMES_PER_SECOND, excerpts
from tune_am.vocal.nets import BATCH

HOP_FRAMES = 7  # a prediction every 0.1 s
MEDIAN = 7  # predictions under the smoothing window: 0.7 s


@dataclass(frozen=True)
class Score:
    """Measures on labelled predictions: area under the ROC curve, and errors at a threshold."""

    auc: float
    error: float
    false_positives: float
    false_negatives: float
    predictions: int


@torch.inference_mode()
def logits(detector: nn.Module, log_mel: Tensor, hop: int = HOP_FRAMES) -> Tensor:
    """Logits of singing along a song, computed where the detector is.

    Args:
        log_mel: ``[BANDS, frames]``.
        hop: frames between predictions.

    Returns:
        ``[ceil(frames / hop)]`` on the CPU, prediction ``i`` for frame ``i * hop``.
    """
    centres = torch.arange(0, log_mel.shape[1], hop)
    device = device_of(detector)
    parts = [
        detector(excerpts(log_mel, part).to(device, torch.float32)) for part in centres.split(BATCH)
    ]
    return torch.cat(parts).cpu()


def smoothed(values: Tensor, width: int = MEDIAN) -> Tensor:
    """Running median of ``values: [n]`` over ``width`` neighbours, the ends repeated."""
    if len(values) < width:
        return values.median().expand_as(values).clone()
    half = width // 2
    ends = torch.cat([values[:1].expand(half), values, values[-1:].expand(half)])
    return ends.unfold(0, width, 1).median(dim=1).values


def labelled_logits(
    detector: nn.Module, tracks: Sequence[Track], hop: int = HOP_FRAMES
) -> tuple[Tensor, Tensor]:
    """Smoothed logits and labels (1 = sung) of all frames somebody was certain about."""
    values, labels = [], []
    # The median spans the same 0.7 s whatever the hop; at a coarse hop there is nothing to smooth.
    width = max(1, MEDIAN * HOP_FRAMES // hop) | 1
    for track in tracks:
        song = smoothed(logits(detector, track.log_mel, hop), width)
        label = track.labels[::hop][: len(song)]
        certain = label != UNCERTAIN
        values.append(song[certain])
        labels.append((label[certain] == SUNG).float())
    return torch.cat(values), torch.cat(labels)


def measure(values: Tensor, labels: Tensor, threshold: float = 0.0) -> Score:
    """Scores logits ``[n]`` against labels ``[n]`` at a threshold on the logit."""
    from sklearn.metrics import roc_auc_score

    heard, sung = values > threshold, labels > 0.5
    return Score(
        auc=float(roc_auc_score(sung.numpy(), values.numpy())),
        error=float((heard != sung).float().mean()),
        false_positives=float((heard & ~sung).sum() / (~sung).sum().clamp_min(1)),
        false_negatives=float((~heard & sung).sum() / sung.sum().clamp_min(1)),
        predictions=len(values),
    )


def area_by_song(songs: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Area under the ROC curve of each song's logits ``[n]`` and labels ``[n]``, averaged.

    Over the songs that have both, sung frames and others; of all together where none has. Singers
    weigh alike, however long their songs or much the music without any, and a detector is not
    blamed for hearing one recording louder than another.
    """
    both = [(values, labels) for values, labels in songs if 0 < labels.sum() < len(labels)]
    if not both:
        values, labels = map(torch.cat, zip(*songs, strict=True))
        return measure(values, labels).auc
    return fmean(measure(values, labels).auc for values, labels in both)


def best_threshold(values: Tensor, labels: Tensor) -> float:
    """Threshold on the logit with the fewest errors."""
    candidates = torch.quantile(values, torch.linspace(0, 1, 401))
    errors = ((values[None] > candidates[:, None]) != (labels[None] > 0.5)).float().mean(dim=1)
    return float(candidates[errors.argmin()])


def balanced_threshold(values: Tensor, labels: Tensor) -> float:
    """Threshold on logits ``[n]`` with the smallest mean of false alarms' and misses' rates."""
    candidates = torch.quantile(values, torch.linspace(0, 1, 401))
    heard = values[None] > candidates[:, None]
    rates = [heard[:, labels == kind].float().mean(dim=1) for kind in (1, 0)]
    return float(candidates[(rates[0] - rates[1]).argmax()])


def temperature(values: Tensor, labels: Tensor) -> float:
    """Divisor of logits ``[n]`` that makes their sigmoid the likeliest probability of the labels.

    Guo, Pleiss, Sun and Weinberger (2017): calibration by one number, which moves no threshold.
    """
    from sklearn.linear_model import LogisticRegression

    sung = (labels > 0.5).numpy()
    # Half of the weight to each class, as in training.
    fit = LogisticRegression(C=1e9, fit_intercept=False, class_weight="balanced")
    slope = float(fit.fit(values[:, None].numpy(), sung).coef_[0, 0])
    return 1 / slope if slope > 0 else 1.0  # a detector worse than chance has no temperature


def minutes(tracks: Sequence[Track]) -> float:
    """Length of all songs together."""
    return sum(len(track.labels) for track in tracks) / FRAMES_PER_SECOND / 60
