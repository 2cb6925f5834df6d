"""What the other machines of a cluster lack, said before any trial begins."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle
from ray.cluster_utils import Cluster

import tune_am
from tune_am.packs.pack import Pack
from tune_am.search import main
from tune_am.tuning import nodes
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.job import Job, prepare

NODE = {"num_cpus": 1, "include_log_monitor": False, "object_store_memory": 80 * 2**20}


def job(pack: Path, out: Path) -> Job:
    config = SearchConfig("vocal", str(pack), device="cpu", workers=1, out=str(out))
    return prepare(config, frozenset(), "python -m tune_am.search")


@pytest.fixture
def two_nodes(no_ray: None) -> Iterator[None]:
    """This process in a cluster of two raylets, each for what it knows a machine of its own."""
    both = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        both.add_node(**NODE)
        ray.init(address=both.address, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        both.shutdown()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no path that differs by process")
@pytest.mark.usefixtures("two_nodes")
def test_another_node_is_asked_before_anything_is_made(
    tiny_pack, tmp_path, monkeypatch, capsys, caplog
):
    (other,) = nodes.others({"cpu": 1})
    assert other["NodeID"] != ray.get_runtime_context().get_node_id()
    assert nodes.others({"cpu": 2}) == nodes.others({"cpu": 1, "gpu": 1}) == []

    runs = tmp_path / "runs"
    runs.mkdir()
    nodes.check(job(tiny_pack, runs / "deep" / "shared"))
    here = os.open(runs, os.O_RDONLY)  # to which this path leads from no other process
    out = Path(f"/proc/self/fd/{here}/alone")
    asked = f"--neuron vocal --pack {tiny_pack} --device cpu --workers 1 --out {out} --no-report"
    assert main([*asked.split(), "--mlflow-uri", f"sqlite:///{tmp_path}/mlflow.db"]) == 2
    os.close(here)
    name = f"node {other['NodeManagerHostname']} ({other['NodeManagerAddress']})"
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: {name}: the run folder {out} is not there; ")
    assert shown.err.count("\n") == 1
    assert list(runs.iterdir()) == []

    assert nodes.ask([other], lambda: str(1 / 0)) == {
        "runs no task (ZeroDivisionError: division by zero); mend it, or take it out of the "
        "cluster": [name]
    }
    monkeypatch.setattr(nodes, "SECONDS", 0.1)
    assert nodes.ask([other], lambda: time.sleep(60)) == {}
    assert caplog.messages == [f"{name}: no answer within 0.1 s; trials may wait for it"]
    assert nodes.ask([other], lambda: time.sleep(60), cancelled=lambda: True) == {}
    assert len(caplog.messages) == 1
    assert len(nodes.others({"cpu": 1}, foreign=True)) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, None),
        ({"version": "0.0.1"}, f"has tune_am {tune_am.__version__}; install 0.0.1 "),
        ({"token": Path("missing")}, "the run folder runs/1 is not there; it must be on a disk "),
        pytest.param(
            {"token": Path("/proc/self/stat")},
            "cannot write to the run folder runs/1 (No such ",
            marks=pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc"),
        ),
        ({"pack": "elsewhere"}, "cannot read the pack elsewhere (No such file or directory); "),
        ({"hash": "0" * 64}, "the pack {pack} is another there; put the same one there"),
    ],
)
def test_what_a_machine_lacks(wrong: dict[str, Any], said, tiny_pack, tmp_path):
    shared = {"folder": "runs/1", "pack": str(tiny_pack), "hash": Pack.load(tiny_pack).hash}
    with nodes.token(tmp_path) as token:
        asked = {"version": tune_am.__version__, "token": token, **shared, **wrong}
        version, token = asked.pop("version"), asked.pop("token")
        lacked = nodes.lacks(version, token, asked, "name one with --out")
    if said is None:
        assert lacked is None
    else:
        assert lacked is not None
        assert lacked.startswith(said.format(pack=tiny_pack))
    assert list(tmp_path.iterdir()) == []


def test_a_node_without_the_package_says_so(tmp_path, monkeypatch):
    sent = cloudpickle.dumps(nodes.looking(tmp_path, {}, ""))
    for name in [name for name in sys.modules if name.partition(".")[0] == "tune_am"]:
        monkeypatch.setitem(sys.modules, name, None)
    complaint = cloudpickle.loads(sent)()
    assert complaint.startswith("cannot import tune_am (ModuleNotFoundError: ")
    assert f"install {tune_am.__version__} there" in complaint
