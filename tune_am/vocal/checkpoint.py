"""Training checkpoints: written whole or not at all, and exact to resume from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tune_am.errors import UserError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes ``state`` (nested dicts of tensors and numbers) and torch's global random state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".partial")
    torch.save({**state, "random": torch.get_rng_state()}, temporary)
    temporary.rename(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved before, torch's random state set back; None where there is none.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UserError(f"{path} is damaged ({error}): delete it to train from the start") from None
    torch.set_rng_state(state.pop("random"))
    return state
