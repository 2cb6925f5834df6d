"""What a trial keeps in the run folder: all it needs to go on, and once it has ended what is looked
at later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tune_am.whole import whole


def state_file(folder: str | Path, number: int) -> Path:
    """Of the trial with this number, among the states of its search."""
    return Path(folder, f"{number:04d}.pt")


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Whole or not at all."""
    with whole(path) as partial:
        torch.save(state, partial)


def drop_ascent(path: Path) -> None:
    """Leave of the state of a trial that has ended its best examples and its reports.

    The ascent is five times the size of the examples, with Adam: where latents are whole inputs,
    trials by the hundred would fill a disk. A state that cannot be read, or written, stays.
    """
    try:
        # Mapped, not read: of the ascent nothing is wanted.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        del state["run"]["ascent"]
        write_state(path, state)
    except Exception:  # torch's own errors are many; none is a reason to fail a search
        pass
