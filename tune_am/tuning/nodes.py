"""The other machines of a cluster: whether they have what a trial needs."""

from __future__ import annotations

import importlib
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import tune_am
from tune_am.errors import UserError, reason
from tune_am.naming import option
from tune_am.packs.manifest import FILE, sha256_of
from tune_am.packs.pack import SHIPPED
from tune_am.tuning.job import Job
from tune_am.tuning.task import task

# For a node to start a process and to import PyTorch, perhaps from a slow disk.
SECONDS = 120


def check(job: Job, cancelled: Callable[[], bool] = lambda: False) -> None:
    """Raise `UserError` where a node on which trials would run lacks the package, the pack or the
    run folder: they would fail there, or keep their states where nobody finds them.

    The folder of a fresh search is not made. On the Ray of this process alone nothing is done.
    """
    nodes = others(job.budget.resources, foreign=job.config.ray_address is not None)
    if not nodes:
        return
    shared = task(job.pack, job.budget.plan, job.folder.path, job.config.trust_code)
    mend = f"name one with {option('out')}" if job.fresh else "move it there"
    with token(job.folder.path) as path:
        complaints = ask(nodes, looking(path, shared, mend), cancelled)
    if complaints:
        said = [f"{', '.join(names)}: {complaint}" for complaint, names in complaints.items()]
        raise UserError(f"{'; '.join(said)}; see docs/cluster.md")


def others(resources: dict[str, float], foreign: bool = False) -> list[dict[str, Any]]:
    """The nodes on which there is room for a worker that holds `resources`; nothing ever runs on
    the rest, as a head without CPUs. The driver's own is among them only where the Ray is
    `foreign`: its workers are then of whatever environment and user it was started by."""
    here = ray.get_runtime_context().get_node_id()
    return [
        node
        for node in ray.nodes()
        if node["Alive"]
        and (foreign or node["NodeID"] != here)
        and all(node["Resources"].get(name.upper(), 0) >= n for name, n in resources.items())
    ]


@contextmanager
def token(folder: Path) -> Iterator[Path]:
    """A file in `folder` whose name is nowhere else; if that is yet to be made, in one that stands
    for it, on the same disk and with the same permissions. Gone afterwards."""
    name = f".nodes-{uuid.uuid4().hex}"
    made = None
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        folder = made = parent / name
        made.mkdir()
    path = folder / name
    try:
        path.touch()
        yield path
    finally:
        if made is None:
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(made, ignore_errors=True)  # a node that is late may be writing there


def looking(token: Path, shared: dict[str, Any], mend: str) -> Callable[[], str | None]:
    """What a node is to run; its result is as that of `lacks`."""
    version = tune_am.__version__

    # Within a function, so that Ray sends its code: only so can it run where the package is not.
    def look() -> str | None:
        try:
            importlib.import_module("tune_am.tuning.trial")
            importlib.import_module("tune_am.tuning.campaign.rescoring")
            nodes = importlib.import_module("tune_am.tuning.nodes")
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return f"cannot import tune_am ({said}); install {version} there with what it needs"
        complaint: str | None = nodes.lacks(version, token, shared, mend)
        return complaint

    return look


def lacks(version: str, token: Path, shared: dict[str, Any], mend: str) -> str | None:
    """What this machine lacks for a trial, and what to do; None where it has all.

    version: of the driver's package. token: a file in the run folder, or in what stands for it.
    shared: `tune_am.tuning.task`. mend: what to do about a run folder that is not shared.
    """
    if tune_am.__version__ != version:
        return f"has tune_am {tune_am.__version__}; install {version} as on the driver's machine"
    folder = shared["folder"]
    try:
        if not token.exists():
            return (
                f"the run folder {folder} is not there; it must be on a disk that all machines "
                f"share: {mend}"
            )
        with tempfile.TemporaryFile(dir=token.parent) as probe:
            probe.write(b"probe")
    except OSError as error:
        return (
            f"cannot write to the run folder {folder} ({error.strerror}), where trials keep their "
            "state; give Ray's user there the permission"
        )
    pack = SHIPPED.get(shared["pack"]) or Path(shared["pack"])
    try:
        same = sha256_of(pack / FILE) == shared["hash"]
    except OSError as error:
        return f"cannot read the pack {pack} ({error.strerror}); put it at the same path there"
    return None if same else f"the pack {pack} is another there; put the same one there"


def ask(
    nodes: Sequence[dict[str, Any]],
    look: Callable[[], str | None],
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, list[str]]:
    """What `look` says on each node, but for None: the names of the nodes, by what they say. Of
    one that is gone by then, or says nothing for so long, there is no complaint."""
    remote = ray.remote(num_cpus=0)(look)  # they may be busy
    asked = {
        remote.options(
            name="what a node lacks",
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote(): node
        for node in nodes
    }
    waiting, until = list(asked), time.monotonic() + SECONDS
    while waiting and time.monotonic() < until and not cancelled():
        _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=0.5)
    # Those that are late are not cancelled: where they are about to end, that crashes the driver.
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    complaints: dict[str, list[str]] = {}
    for future, node in asked.items():
        name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        if future in waiting:
            if not cancelled():
                said = f"{name}: no answer within {SECONDS} s; trials may wait for it"
                logging.getLogger("tune_am").warning(said)
        elif node["NodeID"] in alive and (complaint := _answer(future)) is not None:
            complaints.setdefault(complaint, []).append(name)
    return complaints


def _answer(future: Any) -> str | None:
    try:
        complaint: str | None = ray.get(future)
    except RayError as error:
        cause = getattr(error, "cause", None) or error  # whose own text is a traceback
        return f"runs no task ({reason(cause, kind=True)}); mend it, or take it out of the cluster"
    return complaint
