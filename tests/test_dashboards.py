"""The files with which Prometheus and Grafana watch a search; test_watching.py runs Prometheus.

Grafana itself is not run: its files are checked against the types that Grafana Labs publish.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tune_am.tuning.watching import metrics

FOLDER = Path(__file__).parents[1] / "dashboards"
# Grafana's names of units, as far as they are used here.
UNITS = {"none", "s", "percent", "percentunit", "bytes"}


def load_panels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("panels", FOLDER / "panels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["panels"] = module
    spec.loader.exec_module(module)
    return module


panels = load_panels()


@pytest.fixture
def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(panels.OUTPUT.read_text(encoding="utf-8"))
    return content


def test_the_committed_dashboard_is_the_scripts():
    assert panels.OUTPUT.read_text(encoding="utf-8") == panels.text(), "run dashboards/panels.py"


def unknown_to_grafana(given: dict[str, Any]) -> list[str]:
    """Fields of a dashboard that Grafana's own types lose when they read and write it."""
    register_default_plugins()
    return list(lost(given, json.loads(JSONEncoder().encode(Dashboard.from_json(given)))))


def lost(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Where `b` lacks or changes what `a` says."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a:
            yield from lost(a[key], b[key], f"{path}.{key}") if key in b else [f"{path}.{key}"]
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from lost(x, y, f"{path}[{i}]")
    elif a != b:
        yield path


def test_grafana_knows_every_field(dashboard):
    assert unknown_to_grafana(dashboard) == []
    dashboard["panels"][0]["targets"][0]["expression"] = "up"
    dashboard["scheme"] = 3
    assert set(unknown_to_grafana(dashboard)) == {".scheme", ".panels[0].targets[0].expression"}


def test_the_dashboard_has_what_grafana_needs(dashboard):
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", dashboard["uid"])
    assert 36 <= dashboard["schemaVersion"] <= 42  # classic dashboards of Grafana 9 to 13
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["query"] == "prometheus"
    known = {f"${name}" for name in variables}
    shown = dashboard["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown) == len(panels.PANELS)
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert panel["type"] in ("stat", "timeseries")
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            for source in (panel, target):
                assert source["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert set(re.findall(r"\$\w+", target["expr"])) <= known
            assert target["legendFormat"]
    for a, b in itertools.combinations([panel["gridPos"] for panel in shown], 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


def test_every_metric_has_a_panel_and_every_panel_metrics_that_are():
    shown = set(re.findall(r"ray_tune_am_\w+", panels.text()))
    assert shown == {metrics.exported(name) for name in metrics.DESCRIPTIONS}


def test_the_files_of_grafana_and_compose_fit_together():
    def read(path: str) -> Any:
        return yaml.safe_load((FOLDER / path).read_text(encoding="utf-8"))

    services = read("compose.yaml")["services"]
    (source,) = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    providers = read("grafana/provisioning/dashboards/tune-am.yml")["providers"]
    config = read("prometheus.yml")
    mounts = {
        name: dict(volume.split(":")[:2] for volume in service["volumes"])
        for name, service in services.items()
    }
    address = f"--web.listen-address={source['url'].removeprefix('http://')}"
    assert address in services["prometheus"]["command"]
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    folder = next(p["options"]["path"] for p in providers if p["name"] == "tune-am")
    assert mounts["grafana"][f"./{panels.OUTPUT.parent.relative_to(FOLDER)}"] == folder
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{folder}/{panels.OUTPUT.name}"
    assert (
        "--config.file=" + mounts["prometheus"]["./prometheus.yml"]
        in (services["prometheus"]["command"])
    )
    (files,) = config["scrape_configs"][0]["file_sd_configs"][0]["files"]
    # Mounted where it is, for Ray's own link to it is absolute.
    assert any(files.startswith(f"{path}/") for path in mounts["prometheus"].values())
    assert mounts["prometheus"]["/tmp/ray"] == mounts["grafana"]["/tmp/ray"] == "/tmp/ray"
    for name, service in mounts.items():
        for path in service:
            assert not path.startswith("./") or (FOLDER / path).exists(), (name, path)
