"""What importing costs and needs, asked of fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tune_am


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "ray", "optuna", "mlflow", "matplotlib", "pandas", "IPython"}
    assert not heavy & modules_after("import tune_am")
    # Nor does a look at what a search takes, as an editor does while one types.
    looked = "import inspect, tune_am; inspect.signature(tune_am.search); dir(tune_am)"
    looked += "; tune_am.make_pack"
    assert not heavy & modules_after(looked)


LIGHT = """
import sys
import tune_am.am.controls
from tune_am.packs.pack import Pack
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
assert "tune_am.vocal" not in sys.modules
TrialRun(Pack.load({pack!r}), Plan("vocal", "max", 4, (2,), 0), Settings(lr=0.1)).advance_to(2)
# The last is PyTorch's compiler, which every worker of a search would load for two seconds.
heavy = {{"ray", "optuna", "mlflow", "tune_am.tuning", "torch._dynamo"}} & set(sys.modules)
assert not heavy, heavy
import tune_am.report.write, tune_am.result
heavy = {{"ray", "optuna", "mlflow"}} & set(sys.modules)
assert not heavy, heavy
import tune_am
tune_am.ascend("vocal", {{"lr": 0.1}}, steps=2, starts=4, pack={pack!r}).plot_ascent()
heavy = {{"ray", "optuna", "mlflow"}} & set(sys.modules)
assert not heavy, heavy
sys.modules["ray"] = sys.modules["mlflow"] = None
import tune_am.tuning.ledger, tune_am.tuning.early_stopping.schedulers, tune_am.tuning.sampling.grid
"""


def test_one_trial_needs_torch_alone_reports_no_optuna_and_samplers_no_ray(tiny_pack) -> None:
    subprocess.run([sys.executable, "-c", LIGHT.format(pack=str(tiny_pack))], check=True)


# Which packages the modules of each import when they are loaded (CONTRIBUTING.md).
BELOW = {
    "packs": set(),
    "am": {"packs"},
    "report": {"packs", "am", "tuning"},
    "tuning": {"packs", "am"},
    "vocal": {"packs", "am", "report"},
}


@pytest.mark.parametrize("package", BELOW)
def test_packages_import_those_below_them_only(package: str) -> None:
    files = sorted((Path(tune_am.__file__).parent / package).rglob("*.py"))
    assert files
    for file in files:
        loaded = [node for node in ast.parse(file.read_text()).body if hasattr(node, "names")]
        named = [
            f"{getattr(node, 'module', '')}.{alias.name}".strip(".").split(".")
            for node in loaded
            for alias in node.names
        ]
        theirs = {parts[1] for parts in named if parts[0] == "tune_am" and len(parts) > 2}
        assert theirs & set(BELOW) <= BELOW[package] | {package}, file


def test_the_names_of_the_package_are_there() -> None:
    assert all(getattr(tune_am, name) for name in tune_am.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = tune_am.Nothing
