"""Where networks compute: on a GPU, if there is one and nobody says otherwise."""

from __future__ import annotations

import torch
from torch import nn

from tune_am.errors import UserError
from tune_am.naming import option


def chosen_device(name: str = "auto") -> str:
    """ "cpu" or "cuda" for what ``--device`` says, one of `choices.DEVICES`; raises `UserError`."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        asked, instead = option("device", name), option("device", "cpu")
        raise UserError(f"{asked}: PyTorch sees no GPU here; use {instead}")
    return "cuda" if available and name != "cpu" else "cpu"


# Inputs computed at once on a CPU, where the caches decide (bench/batch.py).
CPU_CHUNK = 8


def default_chunk(device: torch.device, count: int) -> int:
    """Of `count` inputs, how many at once: what fits the caches on a CPU, all on a GPU."""
    return min(CPU_CHUNK, count) if device.type == "cpu" else count


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are; the CPU if it has none."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))
