"""A campaign as a user runs it: what it costs beside ascent, and whether its memory stays flat.

    python bench/campaign_job.py                           # 9 units, a few minutes
    python bench/campaign_job.py --neuron 'fc8:*' --time-budget 20m

Runs `tune_am.search --json` and looks at its processes at every event. Memory is the proportional
set size (pages shared with other processes count in part), of the driver and of the largest worker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_OF_RAY = tuple(f"ray::{name}".encode() for name in ("Dashboard", "IDLE", "RuntimeEnv"))

AFTER = 8  # units with a result from which on memory is to stay flat


def pss(pid: int) -> float:
    """Proportional set size of a process, MiB; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def descendants(root: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found, fresh = [], [root]
    while fresh:
        fresh = [pid for pid, parent in parents.items() if parent in fresh]
        found += fresh
    return found


def workers(root: int) -> list[int]:
    """The processes in which trials ascend."""
    found = []
    for pid in descendants(root):
        try:
            title = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::") and not title.startswith(_OF_RAY):
            found.append(pid)
    return found


class Watch:
    """What was seen at each end of a trial: units with a result, memory of driver and workers."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._units: set[str] = set()
        self.rows: list[tuple[int, int, float, float]] = []
        self.times: dict[str, float] = {}
        self.result: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> None:
        name = event["event"]
        self.times.setdefault(name, event["time"])
        if name == "result":
            self.result = event["result"]
        if name == "trial_ended":
            self._units.add(event["neuron"])
            largest = max((pss(pid) for pid in workers(self._pid)), default=0.0)
            self.rows.append((len(self.rows) + 1, len(self._units), pss(self._pid), largest))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--neuron", default="fc8:0-8")
    parser.add_argument("--time-budget", default="4m")
    parser.add_argument("--out", help="run folder, kept [a temporary one]")
    asked, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "tune_am.search", "--neuron", asked.neuron, "--json"]
        command += ["--time-budget", asked.time_budget, "--out", asked.out or f"{scratch}/run"]
        begun = time.time()
        process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True)
        watch = Watch(process.pid)
        for line in process.stdout:
            watch.take(json.loads(line))
        process.wait()
        show(watch, begun, time.time())


def show(watch: Watch, begun: float, over: float) -> None:
    content, times = watch.result, watch.times
    units = content["units"]
    scored = [unit for unit in units if unit["best"]]
    again = [unit for unit in scored if unit["best"]["ci95"]]
    print(f"{len(scored)} of {len(units)} units have a score, {len(again)} scored again")
    print(f"{content['trials_total']} trials, {content['sample_steps']} sample-steps")
    fewest = min(unit["trials_total"] for unit in units)
    print(f"trials of a unit: {fewest} to {max(unit['trials_total'] for unit in units)}")
    print("\nwall time, s")
    trials = times.get("trial_started", times["start"])
    print(f"  start of Ray, MLflow and the noise floors {trials - begun:8.1f}")
    print(f"  trials                                    {times['rescore'] - trials:8.1f}")
    print(f"  scoring again and controls                {times['result'] - times['rescore']:8.1f}")
    print(f"  report and MLflow's files                 {over - times['result']:8.1f}")
    print(f"  share of the workers' time in ascents     {content['ascent_share']:8.1%}")
    print("\nmemory, MiB (proportional set size)")
    print(f"{'trials':>8}{'units':>7}{'driver':>9}{'largest worker':>16}")
    rows = [row for row in watch.rows if row[1] >= AFTER] or watch.rows
    for i in rows and sorted(
        {0, len(rows) // 4, len(rows) // 2, 3 * len(rows) // 4, len(rows) - 1}
    ):
        trial, seen, driver, worker = rows[i]
        print(f"{trial:8}{seen:7}{driver:9.0f}{worker:16.0f}")


if __name__ == "__main__":
    main()
