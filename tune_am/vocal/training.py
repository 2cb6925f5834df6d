"""Trains a network that hears singing, from a corpus: what detector and judge have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import nn
from torch.nn import functional as F

from tune_am.vocal.batches import Augmentation, Batches, augment
from tune_am.vocal.checkpoint import identity, load_checkpoint, save_checkpoint
from tune_am.vocal.corpus import Track, band_statistics, tracks_digest
from tune_am.vocal.melspec import FRAMES

SQUEEZED = 1.05  # spare width of an excerpt before time is squeezed, beyond the bound itself


@dataclass(frozen=True)
class Training:
    """AdamW on the binary cross-entropy; one-cycle learning rate (Smith and Topin 2018)."""

    steps: int
    lr: float
    weight_decay: float
    checkpoint_every: int
    batch: int = 32
    seed: int = 0
    device: str = "cpu"


def train_on(
    network: nn.Module,
    tracks: list[Track],
    training: Training,
    setting: Augmentation,
    folder: Path,
    checkpointing: Callable[[int, float, dict[str, Any]], dict[str, Any]],
    voices: Sequence[Track] = (),
) -> nn.Module:
    """Trains, or goes on from ``folder/checkpoint.pt`` to the same end; in evaluation mode.

    network: log-mel ``[n, BANDS, FRAMES]`` -> logits ``[n]``, with buffers ``mean`` and ``std``
    ``[BANDS]``, which are set to those of the tracks. checkpointing: called before a checkpoint
    with the step, the last loss and what it returned at the one before (at first nothing), the
    network in evaluation mode; what it returns is kept in the checkpoint.

    Raises:
        UserError: the checkpoint is damaged, or of another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    width = int(FRAMES * (1 + setting.stretch) * SQUEEZED) | 1
    batches = Batches(tracks, width, voices, training.device)
    network.to(torch.device(training.device)).to(memory_format=torch.channels_last)
    for name, statistic in zip(("mean", "std"), band_statistics(tracks), strict=True):
        network.get_buffer(name).copy_(statistic)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=training.lr, weight_decay=training.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=training.lr, total_steps=training.steps
    )
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "schedule": schedule}
    draws = torch.Generator().manual_seed(training.seed)
    first, kept = 0, {}
    of = identity(training, setting, songs=tracks_digest(tracks), voices=tracks_digest(voices))
    state = load_checkpoint(folder / "checkpoint.pt", of)
    if state is not None:
        first, kept = state["step"], state["kept"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
        draws.set_state(state["draws"])

    for step in track(range(first + 1, training.steps + 1), folder.name):
        network.train()
        x, labels = batches.draw(training.batch, draws)
        under = batches.instrumental(training.batch, draws)
        loss = F.binary_cross_entropy_with_logits(
            network(augment(x, under, setting, draws)), labels
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % training.checkpoint_every and step != training.steps:
            continue
        kept = checkpointing(step, loss.item(), kept)
        state = {name: part.state_dict() for name, part in parts.items()}
        save_checkpoint(
            folder / "checkpoint.pt",
            state | {"step": step, "kept": kept, "draws": draws.get_state()},
            of,
        )
    return network.eval()
