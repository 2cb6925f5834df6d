"""What the trials on a neuron share, as the workers are told it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tune_am.allocator import keep_freed_memory
from tune_am.am.plan import Plan
from tune_am.errors import UserError
from tune_am.packs.pack import SHIPPED, Pack
from tune_am.tuning.label import search_title
from tune_am.tuning.watching.metrics import search_tags


def task(
    pack: Pack, plan: Plan, folder: Path, trust_code: bool = False, whole: Plan | None = None
) -> dict[str, Any]:
    """What all trials on a neuron share, as plain values.

    folder: where they keep their states. whole: of a campaign, by whose neurons its workers go.
    """
    whole = whole or plan
    return {
        # A shipped one by its name: each machine of a cluster has its own.
        "pack": pack.name if SHIPPED.get(pack.name) == pack.path else str(pack.path),
        "hash": pack.hash,
        "plan": {**vars(plan), "report_points": list(plan.report_points)},
        "folder": str(folder.absolute()),
        "trust_code": trust_code,
        "prior": pack.prior_kind,
        "title": search_title(whole),
        "tags": search_tags(whole),
    }


@lru_cache(maxsize=1)
def load_pack(path: str, hash: str, device: str, trust_code: bool, prior: str) -> Pack:
    """The pack, read once per process: later trials find it in memory."""
    if device == "cpu":
        torch.set_num_threads(1)  # the other cores belong to the other workers
        keep_freed_memory()
    pack = Pack.load(path, device, trust_code, prior)
    if pack.hash != hash:
        raise UserError(f"the pack {path} changed since the search began")
    return pack


def pack_and_plan(task: dict[str, Any]) -> tuple[Pack, Plan]:
    plan = Plan(**task["plan"])
    how = task["trust_code"], task["prior"]
    return load_pack(task["pack"], task["hash"], plan.device, *how), plan
