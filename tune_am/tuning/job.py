"""What a search is about to do, with every part checked."""

from __future__ import annotations

import shlex
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tune_am.am.device import chosen_device
from tune_am.am.neuron import beside, direction_file, shown
from tune_am.am.objectives import DEFAULT
from tune_am.am.pack import Pack
from tune_am.am.reference import TAIL, Target
from tune_am.errors import UserError
from tune_am.tuning import cluster, tracking
from tune_am.tuning.budget import Budget, budget_for
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
        title = f"{self.pack.name}/{shown(plan.neuron)}/{self.space.name}/{plan.direction}"
        title = f"{title}/{prior}" if prior else title
        return title if plan.scored_by == DEFAULT else f"{title}/{plan.objective}"

    @property
    def tracking_uri(self) -> str:
        return tracking.default_uri(self.config.mlflow_uri, self.folder.path)

    @property
    def artifact_store(self) -> Path:
        """Where MLflow's files go if its runs are in a database."""
        return self.folder.path.parent / "mlflow-artifacts"

    @property
    def resume_command(self) -> str:
        # Consent is given anew each time; what is printed is the user's own to type.
        trust = " --trust-code" if self.config.trust_code else ""
        return f"python -m tune_am.search --resume {shlex.quote(str(self.folder.path))}{trust}"

    def begin(self, asked: dict[str, Any]) -> Job:
        """Make the run folder, which says what was `asked`; the job as it is run from there."""
        neuron = self.budget.plan.neuron
        job = self
        if (file := direction_file(neuron)) is not None:
            # A copy, so that a resumed search does not depend on the user's file.
            self.folder.path.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, self.folder.path / file.name)
            plan = replace(self.budget.plan, neuron=beside(neuron, self.folder.path))
            job = replace(self, budget=replace(self.budget, plan=plan))
        self.folder.create(asked, self.space.source)
        return job


def prepare(config: SearchConfig, given: frozenset[str], command: str) -> Job:
    """Check everything that can be wrong before anything is written or started."""
    if config.resume is not None:
        folder = RunFolder.check_old(Path(config.resume))
        asked, source = folder.asked()
        config = resumed(asked["config"], config, given)
        space, identity = from_source(config.space, source), asked["id"]
    else:
        space, identity, asked = load(config.space), uuid.uuid4().hex, None
        name = default_folder(shown(config.neuron or ""), time.strftime("%Y%m%d-%H%M%S"))
        folder = RunFolder.check_new(Path(config.out) if config.out else name)
    assert config.neuron is not None
    neuron = config.neuron
    if asked is not None:  # its direction lies in the run folder, wherever that is now
        neuron = beside(neuron, folder.path)
    pack = Pack.load(config.pack, chosen_device(config.device), config.trust_code, config.prior)
    if asked is not None and asked["pack_hash"] != pack.hash:
        raise UserError(f"the pack {pack.path} is not the one that the search began with")
    pack.reference.target(pack.neuron(neuron), config.direction, 2 * RESCORE_STARTS)
    budget = budget_for(config, space, neuron)
    if budget.plan.scored_by.foreign:  # tried before anything is started
        real = pack.reference.target(pack.neuron(neuron), config.direction, 2 * TAIL)
        one, other = (Target(*(values[i::2] for values in real)) for i in (0, 1))
        budget.plan.measure()(one, other)
    made = Job(identity, config, space, pack, budget, folder, command, asked is None)
    if config.ray_address is not None:
        cluster.check_address(config.ray_address)
    tracking.check_server(made.tracking_uri)
    return made
