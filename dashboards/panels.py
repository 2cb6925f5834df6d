"""The Grafana dashboard of a search, from one list of panels.

    python dashboards/panels.py

writes grafana/dashboards/tune-am.json, which Grafana reads (README.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tune_am.am import score
from tune_am.am.objectives import ACTIVATION_FID, DIVERGED_PENALTY
from tune_am.tuning.watching import metrics
from tune_am.tuning.watching.metrics import exported

OUTPUT = Path(__file__).parent / "grafana" / "dashboards" / "tune-am.json"

GRID = 24  # columns of a Grafana dashboard
SCHEMA = 38  # of the dashboard's JSON, that of Grafana 10; later ones read and upgrade it
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# Searches may run side by side: the user picks whose panels to see.
SEARCH = f'{metrics.NEURON}=~"$neuron", {metrics.DIRECTION}=~"$direction"'
OF_SEARCH = f"{{{{{metrics.NEURON}}}}} {{{{{metrics.DIRECTION}}}}}"


def of(name: str, more: str = "") -> str:
    """The metric `name` of the searches picked."""
    return f"{exported(name)}{{{SEARCH}{', ' + more if more else ''}}}"


def quantile(q: float, name: str) -> str:
    return f"histogram_quantile({q}, sum by (le) (rate({of(name)}[5m])))"


BY_SEARCH = f"by ({metrics.NEURON}, {metrics.DIRECTION})"
BY_UNIT = f"by ({metrics.NEURON}, {metrics.DIRECTION}, {metrics.UNIT})"
BY_TRIAL = f"by ({metrics.NEURON}, {metrics.DIRECTION}, {metrics.UNIT}, {metrics.TRIAL})"
OF_UNIT = f"{OF_SEARCH} {{{{{metrics.UNIT}}}}}"
OF_TRIAL = f"{OF_UNIT} {{{{{metrics.TRIAL}}}}}"
BEST = f"min {BY_UNIT} ({of(metrics.BEST_SCORE)})"
ENDED = of(metrics.TRIALS, f'{metrics.STATE}!~"{metrics.WAITING}|{metrics.RUNNING}"')
SPEED = f"sum {BY_SEARCH} (rate({of(metrics.SAMPLE_STEPS)}[1m]))"


@dataclass(frozen=True)
class Panel:
    """queries: pairs of PromQL and legend. unit: a name of Grafana's. Panels fill rows from the
    left; those side by side should be equally high."""

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"  # or "stat", one number
    width: int = 12
    height: int = 8
    log: bool = False
    stacked: bool = False
    gpu: bool = False  # without data where there is no GPU


PANELS = (
    Panel(
        "Best activation-FID",
        "The lowest of all trials so far, before the best are scored again on fresh starts.",
        "none",
        ((BEST, OF_UNIT),),
        "stat",
        width=6,
        height=4,
    ),
    Panel(
        "Best trial",
        "Its number, as in the terminal, MLflow and result.json.",
        "none",
        ((f"max {BY_UNIT} ({of(metrics.BEST_TRIAL)})", OF_UNIT),),
        "stat",
        width=6,
        height=4,
    ),
    Panel(
        "Trials ended",
        "Share of all trials asked for, however they ended.",
        "percentunit",
        ((f"sum {BY_SEARCH} ({ENDED}) / sum {BY_SEARCH} ({of(metrics.TRIALS)})", OF_SEARCH),),
        "stat",
        width=6,
        height=4,
    ),
    Panel(
        "Sample-steps per second",
        "Steps times starts, over the last minute.",
        "none",
        ((SPEED, OF_SEARCH),),
        "stat",
        width=6,
        height=4,
    ),
    Panel(
        "Best activation-FID so far",
        "Lower is better; the axis is logarithmic.",
        "none",
        ((BEST, OF_UNIT),),
        log=True,
    ),
    Panel(
        "Trials by state",
        "Waiting, running, and how the others ended.",
        "none",
        (
            (
                f"sum by ({metrics.STATE}) ({of(metrics.TRIALS)})",
                f"{{{{{metrics.STATE}}}}}",
            ),
        ),
        stacked=True,
    ),
    Panel(
        "Activation-FID of each trial",
        "Its best so far, while it runs and for half a minute after. "
        f"{DIVERGED_PENALTY:g} is a trial that diverged.",
        "none",
        ((f"min {BY_TRIAL} ({of(ACTIVATION_FID)})", OF_TRIAL),),
        log=True,
    ),
    Panel(
        "Step of each trial",
        "A line that ends below the last report point was stopped early.",
        "none",
        ((f"max {BY_TRIAL} ({of(score.STEP)})", OF_TRIAL),),
    ),
    Panel(
        "Sample-steps per second, over time",
        "Steps times starts, over one minute.",
        "none",
        ((SPEED, OF_SEARCH),),
    ),
    Panel(
        "What reports and checkpoints cost",
        "Median and 95th percentile of the seconds a worker waits from its report until it is told "
        "to go on, and of the seconds it takes to write a trial's state. Read off coarse bins.",
        "s",
        tuple(
            (quantile(q, name), f"{words}, {label}")
            for name, words in (
                (metrics.REPORT_SECONDS, "report"),
                (metrics.CHECKPOINT_SECONDS, "checkpoint"),
            )
            for q, label in ((0.5, "median"), (0.95, "95 %"))
        ),
        log=True,
    ),
    Panel(
        "CPU of the machines",
        "Ray's own measure.",
        "percent",
        (("max by (ip) (ray_node_cpu_utilization)", "{{ip}}"),),
        width=8,
    ),
    Panel(
        "Memory of the machines",
        "Ray's own measure.",
        "bytes",
        (("max by (ip) (ray_node_mem_used)", "{{ip}}"),),
        width=8,
    ),
    Panel(
        "GPUs",
        "Ray's own measure; empty without a GPU.",
        "percent",
        (
            (
                "max by (ip, GpuIndex) (ray_node_gpus_utilization)",
                "{{ip}} {{GpuIndex}}",
            ),
        ),
        width=8,
        gpu=True,
    ),
)


def dashboard() -> dict[str, Any]:
    return {
        "uid": "tune-am",
        "title": "tune-am",
        "description": "A search for the settings of activation maximisation, while it runs.",
        "tags": ["tune-am", "ray"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "timezone": "browser",
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                },
                _tag(metrics.NEURON),
                _tag(metrics.DIRECTION),
            ]
        },
        "panels": _placed(PANELS),
    }


def _tag(name: str) -> dict[str, Any]:
    """A variable that picks values of a tag, at first all."""
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": f"label_values({exported(metrics.TRIALS)}, {name})", "refId": name},
        "refresh": 2,  # whenever the time range changes
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    placed, x, y, deepest = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > GRID:
            x, y, deepest = 0, y + deepest, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": place, **_panel(panel)})
        x, deepest = x + panel.width, max(deepest, panel.height)
    return placed


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": DATASOURCE,
                "expr": expr,
                "legendFormat": legend,
                "range": True,
            }
            for i, (expr, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": _style(panel)}, "overrides": []},
        "options": _options(panel),
    }


def _style(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {}
    # symlog: a distance may be 0.
    scale = {"type": "symlog", "log": 10, "linearThreshold": 0.001} if panel.log else {}
    return {
        "lineWidth": 2,
        "fillOpacity": 30 if panel.stacked else 0,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "scaleDistribution": scale or {"type": "linear"},
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        # The last value there was: a search that is over leaves its result on the screen.
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "asc"},
    }


def text() -> str:
    """What the file holds."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(text(), encoding="utf-8")
    print(f"wrote {OUTPUT}: {len(PANELS)} panels")
