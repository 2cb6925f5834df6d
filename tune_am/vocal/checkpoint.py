"""What training leaves on disk: checkpoints, exact to resume from, and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tune_am.errors import UserError, reason
from tune_am.whole import whole

# Precision of the weights in the pack: half the size, and what is measured is what is shipped.
STORED = torch.float16

_LOG = "log.jsonl"

# What may change when a training goes on.
_PASSING = ("device", "checkpoint_every")

Network = TypeVar("Network", bound=nn.Module)


def identity(*settings: Any, **facts: Any) -> dict[str, Any]:
    """What a training is to be the same in when it goes on: dataclasses and facts, merged."""
    named = {name: value for one in settings for name, value in asdict(one).items()}
    return {name: value for name, value in (named | facts).items() if name not in _PASSING}


def weights_digest(*networks: nn.Module) -> str:
    """Of all weights of the networks, wherever they are."""
    digest = hashlib.sha256()
    for network in networks:
        for name, tensor in network.state_dict().items():
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(path: Path, state: dict[str, Any], of: Mapping[str, Any]) -> None:
    """Writes ``state`` (nested dicts of tensors and numbers) and torch's global random states.

    of: the training's ``identity``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    random = {"random": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["random_cuda"] = torch.cuda.get_rng_state()
    with whole(path) as partial:
        torch.save(state | random | {"of": dict(of)}, partial)


def load_checkpoint(path: Path, of: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """The state saved before, torch's random states set back; None where there is none.

    Its tensors are the CPU's, whatever device they come from or go to. of: the ``identity`` of the
    training that is to go on; None takes any.

    Raises:
        UserError: the file is damaged, or of another training.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise UserError(
            f"{path} is damaged ({reason(error)}): delete it to train from the start"
        ) from None
    was = state.pop("of", {})
    if of is not None and was != of:
        name = next(name for name in (*of, *was) if of.get(name) != was.get(name))
        raise UserError(
            f"{path} is of another training ({name} {was.get(name)}, now {of.get(name)}): take "
            f"another --work, or delete {path.parent} to train anew"
        )
    torch.set_rng_state(state.pop("random"))
    random = state.pop("random_cuda", None)
    if random is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(random)
    return state


def append_log(folder: Path, facts: dict[str, Any]) -> None:
    """Adds a line to the training log of a stage's folder."""
    with (folder / _LOG).open("a", encoding="utf-8") as log:
        log.write(json.dumps(facts) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of the training log of a stage's folder."""
    return [json.loads(line) for line in (folder / _LOG).read_text(encoding="utf-8").splitlines()]


def load_trained(network: Network, weights: Path) -> Network:
    """The network with trained weights, rounded as the pack stores them, in evaluation mode.

    Raises:
        UserError: there are no such weights yet, or they are another network's.
    """
    if not weights.is_file():
        raise UserError(f"{weights} is missing: run the stage that trains it first")
    try:
        tensors = load_file(weights)
        network.load_state_dict(
            {name: t.to(STORED) if t.is_floating_point() else t for name, t in tensors.items()}
        )
    except (SafetensorError, RuntimeError) as error:
        kind = type(network).__name__
        raise UserError(f"{weights} holds no weights of a {kind}: {reason(error)}") from None
    return network.eval()
