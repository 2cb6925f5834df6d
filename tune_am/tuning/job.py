"""What a search is about to do, with every part checked."""

from __future__ import annotations

import shlex
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from tune_am.am.pack import Pack
from tune_am.errors import UserError
from tune_am.tuning import cluster, tracking
from tune_am.tuning.budget import Budget, budget_for, device_of
from tune_am.tuning.config import SearchConfig, default_folder, resumed
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.space import Space, from_source, load


@dataclass(frozen=True)
class Job:
    """A search whose every part was checked; nothing is written or started yet."""

    id: str
    config: SearchConfig
    space: Space
    pack: Pack
    budget: Budget
    folder: RunFolder
    command: str
    fresh: bool

    @property
    def title(self) -> str:
        """Names the study: searches for different things never share a history."""
        plan, prior = self.budget.plan, self.config.prior
        title = f"{self.pack.name}/{plan.neuron}/{self.space.name}/{plan.direction}"
        return f"{title}/{prior}" if prior else title

    @property
    def tracking_uri(self) -> str:
        return tracking.default_uri(self.config.mlflow_uri, self.folder.path)

    @property
    def resume_command(self) -> str:
        return f"python -m tune_am.search --resume {shlex.quote(str(self.folder.path))}"


def prepare(config: SearchConfig, given: frozenset[str], command: str) -> Job:
    """Check everything that can be wrong before anything is written or started."""
    if config.resume is not None:
        folder = RunFolder.check_old(Path(config.resume))
        asked, source = folder.asked()
        config = resumed(asked["config"], config, given)
        space, identity = from_source(config.space, source), asked["id"]
    else:
        space, identity, asked = load(config.space), uuid.uuid4().hex, None
        name = default_folder(config.neuron or "", time.strftime("%Y%m%d-%H%M%S"))
        folder = RunFolder.check_new(Path(config.out) if config.out else name)
    assert config.neuron is not None
    pack = Pack.load(config.pack, device_of(config.device), config.trust_code, config.prior)
    if asked is not None and asked["pack_hash"] != pack.hash:
        raise UserError(f"the pack {pack.path} is not the one that the search began with")
    pack.reference.target(pack.neuron(config.neuron), config.direction, 2 * RESCORE_STARTS)
    budget = budget_for(config, space, config.neuron)
    made = Job(identity, config, space, pack, budget, folder, command, asked is None)
    if config.ray_address is not None:
        cluster.check_address(config.ray_address)
    tracking.check_server(made.tracking_uri)
    return made
