"""What a search is about to do, with every part checked."""

from __future__ import annotations

import os
import shlex
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tune_am.am.controls import random_distance
from tune_am.am.objectives import DEFAULT
from tune_am.am.plan import Plan
from tune_am.errors import UserError
from tune_am.naming import flag, option
from tune_am.packs.device import chosen_device
from tune_am.packs.neuron import beside, direction_file, shown
from tune_am.packs.pack import SHIPPED, Pack
from tune_am.packs.reference import TAIL
from tune_am.packs.units import select, several
from tune_am.tuning import cluster
from tune_am.tuning.budget import Budget, budget_for
from tune_am.tuning.config import SearchConfig, default_folder, resumed
from tune_am.tuning.defaults import GRID, SAMPLER
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.label import file_name
from tune_am.tuning.sampling.grid import gridded
from tune_am.tuning.space import Space, from_source, load
from tune_am.tuning.tracking import store


@dataclass(frozen=True)
class Job:
    """A search whose every part was checked; nothing is written or started yet.

    plans: one for each neuron. That of the budget says of a campaign what all of them have in
    common; its neuron is the whole selection, "fc8:*". left_out: neurons of it with nothing to
    explain.
    """

    id: str
    config: SearchConfig
    space: Space
    pack: Pack
    budget: Budget
    plans: tuple[Plan, ...]
    folder: RunFolder
    command: str
    fresh: bool
    left_out: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether it is a campaign, if only over one neuron: "fc8:0-0"."""
        return several(self.config.neuron or "")

    @property
    def title(self) -> str:
        """Names the study: searches for different things never share a history."""
        return self.title_of(self.budget.plan)

    def title_of(self, plan: Plan) -> str:
        prior = self.config.prior
        title = f"{self.pack.name}/{shown(plan.neuron)}/{self.space.name}/{plan.direction}"
        title = f"{title}/{prior}" if prior else title
        return title if plan.scored_by == DEFAULT else f"{title}/{plan.objective}"

    @property
    def tracking_uri(self) -> str:
        return store.default_uri(self.config.mlflow_uri, self.folder.path)

    @property
    def kept_uri(self) -> str | None:
        """Where to log, as the run folder keeps it: not the database beside it, which moves along,
        nor an address with a password."""
        asked = self.config.mlflow_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if not asked or store.redacted(asked) != asked:
            return None
        return store.absolute(asked)

    @property
    def kept_pack(self) -> str:
        """The pack as the run folder keeps it: to be found from anywhere."""
        pack = self.config.pack
        return pack if pack in SHIPPED else str(Path(pack).absolute())

    @property
    def artifact_store(self) -> Path:
        """Where MLflow's files go if its runs are in a database."""
        return self.folder.path.parent / "mlflow-artifacts"

    @property
    def resume_command(self) -> str:
        # What is asked anew each time is printed for the user to type.
        words = ["--resume", str(self.folder.path)]
        if self.config.trust_code:
            words.append("--trust-code")
        if self.config.ray_address is not None:
            words += ["--ray-address", self.config.ray_address]
        if self.config.no_report:
            words.append("--no-report")
        # The run folder has what was asked at first.
        kept = self.folder.asked()[0]["config"] if not self.fresh else {}
        now = {**self.config.to_dict(), "pack": self.kept_pack}
        for name in ("pack", "trials", "workers", "device"):
            if name in kept and now[name] != kept[name]:
                words += [flag(name), str(now[name])]
        uri = self.config.mlflow_uri
        known = self.kept_uri is not None and kept.get("mlflow_uri", self.kept_uri) == self.kept_uri
        if uri is not None and not known:
            words += ["--mlflow-uri", store.redacted(self.kept_uri or uri)]
        return f"python -m tune_am.search {shlex.join(words)}"

    def placed(self) -> Job:
        """The job with a folder of its own; one that nobody named has another name if its own was
        taken meanwhile."""
        return replace(self, folder=self.folder.made(unique=self.config.out is None))

    def begin(self, asked: dict[str, Any]) -> Job:
        """Write into the run folder what was `asked`; the job as it is run from there."""
        plans = tuple(self._kept(plan) for plan in self.plans)
        budget = self.budget if self.several else replace(self.budget, plan=plans[0])
        self.folder.create(asked, self.space.source)
        return replace(self, plans=plans, budget=budget)

    def _kept(self, plan: Plan) -> Plan:
        """`plan` on a copy of its direction's file, if it has one."""
        if (file := direction_file(plan.neuron)) is None:
            return plan
        self.folder.keep(file)
        return replace(plan, neuron=beside(plan.neuron, self.folder.path))


def prepare(config: SearchConfig, given: frozenset[str], command: str) -> Job:
    """Check everything that can be wrong before anything is written or started."""
    config = replace(config, ray_address=config.ray_address or cluster.environment_address())
    if config.resume is not None:
        folder = RunFolder.check_old(Path(config.resume))
        asked, source = folder.asked()
        if "campaign" in asked:
            raise UserError(
                f"{config.resume} is one neuron of a campaign: "
                f"{option('resume', str(folder.path.parents[1]))}"
            )
        config = resumed(asked["config"], config, given)
        typed = "mlflow_uri" in given or asked["mlflow_typed"]
        if not typed and os.environ.get("MLFLOW_TRACKING_URI"):  # as it is set now, then
            config = replace(config, mlflow_uri=None)
        space, identity = from_source(config.space, source, rehearsed=True), asked["id"]
    else:
        space, identity, asked = load(config.space), uuid.uuid4().hex, None
        name = default_folder(shown(config.neuron or ""), time.strftime("%Y%m%d-%H%M%S"))
        folder = RunFolder.check_new(Path(config.out) if config.out else name)
    assert config.neuron is not None
    pack = Pack.load(config.pack, chosen_device(config.device), config.trust_code, config.prior)
    if asked is not None and asked["pack_hash"] != pack.hash:
        raise UserError(f"the pack {pack.path} is not the one that the search began with")
    campaign = several(config.neuron)
    if campaign and config.sampler != SAMPLER:
        raise UserError(
            f"{option('sampler', config.sampler)}: several neurons share a sampler that learns "
            "from all of them, a TPE; leave it out, or search on one neuron"
        )
    if campaign and "," in config.objective:
        raise UserError(
            f"{option('objective', config.objective)}: several neurons are compared by one "
            "objective; name one, or search on one neuron"
        )
    if config.sampler == GRID:
        space = gridded(space, config.seed)
    neurons = select(config.neuron, pack.layers) if campaign else [config.neuron]
    if asked is not None:  # directions lie in the run folder, wherever that is now
        neurons = [beside(neuron, folder.path) for neuron in neurons]
    _check(neurons, pack, config.direction)
    dead = _constant(neurons, pack)
    neurons = [name for name in neurons if name not in dead]
    asked_for = config.neuron if campaign else neurons[0]
    budget = budget_for(config, space, asked_for, len(neurons) if campaign else None)
    if asked is not None:
        budget = budget.as_begun(asked["budget"], budget.trials if "trials" in given else None)
    apart = config.diversity and config.diversity * random_distance(pack, budget.plan)
    budget = replace(budget, plan=replace(budget.plan, apart=apart))
    plans = tuple(replace(budget.plan, neuron=neuron) for neuron in neurons)
    if not config.no_report:
        _check_drawn(pack)
    _try_scores(budget.plan, neurons, pack)
    command = store.redacted(command)  # it is shown and kept
    fresh = asked is None
    out = tuple(map(shown, dead))
    made = Job(identity, config, space, pack, budget, plans, folder, command, fresh, out)
    if config.ray_address is not None:
        cluster.check_address(config.ray_address)
    return made


def _try_scores(plan: Plan, neurons: Sequence[str], pack: Pack) -> None:
    """Raise `UserError` where a score of the user's fails for real excerpts of a neuron: better
    before the search than within."""
    if not any(each.foreign for each in plan.scored_by.every):
        return
    measure = plan.measure()
    for name in neurons:
        real = pack.reference.target(pack.neuron(name), plan.direction, 2 * TAIL)
        try:
            measure.scores(real[::2], real[1::2])
        except UserError as error:
            raise UserError(f"{shown(name)}: {error}") from None


def _check_drawn(pack: Pack) -> None:
    """Raise `UserError` where a report could not draw the pack's inputs."""
    from tune_am.report.renderer import renderer_for

    try:
        renderer_for(pack)
    except UserError as error:
        without = option("no_report", True)
        raise UserError(f"no report could be made: {error}; or search with {without}") from None


def _constant(neurons: Sequence[str], pack: Pack) -> list[str]:
    """Those that say the same of every real excerpt: each of their settings would score alike.
    Raises `UserError` where that is all of them."""
    dead = {}
    for name in neurons:
        values = pack.reference.of(pack.neuron(name))
        if values.min() == values.max():
            dead[name] = float(values[0])
    if len(dead) == len(neurons):
        name = neurons[0]
        others = f", none of the {len(dead)} asked for varies" if len(dead) > 1 else ""
        command = f"python -m tune_am.neurons {pack.neuron(name).layer}"
        raise UserError(
            f"{shown(name)} gives {dead[name]:.4g} for every real excerpt{others}: there is "
            f"nothing to explain; {command} --pack {shlex.quote(str(pack.path))} lists the units"
        )
    return list(dead)


def _check(neurons: Sequence[str], pack: Pack, direction: str) -> None:
    """Raise `UserError` unless the pack has each of `neurons` and real excerpts enough, and none is
    another under a second name. Names in other letters are alike: file systems may think so."""
    places: dict[str, str] = {}
    files: dict[str, Path] = {}
    folders: dict[str, str] = {}
    for name in neurons:
        if (file := direction_file(name)) is not None:
            other = files.setdefault(file.name.casefold(), file.absolute())
            if other != file.absolute():
                raise UserError(
                    f"{option('neuron')}: {other} and {file.absolute()} have one name, by which "
                    "the run knows them: rename one"
                )
        neuron = pack.neuron(name)
        pack.reference.target(neuron, direction, 2 * TAIL)
        if neuron.place in places:
            same = f"{places[neuron.place]} and {neuron.name} are the same"
            raise UserError(f"{option('neuron')}: {same}: leave one out")
        places[neuron.place] = neuron.name
        beside_it = folders.setdefault(file_name(shown(name)).casefold(), name)
        if beside_it != name:
            both = f"{beside_it} and {name} would have one folder"
            raise UserError(f"{option('neuron')}: {both}: rename one")
