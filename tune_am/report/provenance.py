"""Where a report's numbers come from, and what they do not say."""

from __future__ import annotations

from typing import Any

from tune_am import __version__
from tune_am.am.objectives import DEFAULT
from tune_am.packs.pack import Pack
from tune_am.report.explanation import Explanation
from tune_am.report.finished import FinishedRun
from tune_am.versions import versions

_COMPARED = {
    True: "The score compares two numbers, mean and standard deviation of one activation. Examples "
    "may match both and still look or sound like nothing real: hence the examples to look at.",
    False: "The score compares what the classifier makes of examples. They may match the real ones "
    "in it and still look or sound like nothing real: hence the examples to look at.",
}


def rows(shown: Explanation) -> list[tuple[str, str]]:
    """Settings, seeds, versions and digests, as name and value."""
    pack, run = shown.pack, shown.run
    found = [("neuron", f"{shown.neuron.name} ({shown.neuron.place})")]
    # In full: a rounded setting is another setting.
    settings = ", ".join(f"{name} {value}" for name, value in shown.row["settings"].items())
    found.append(("prior", pack.prior_kind))
    found += [("settings", settings), ("steps", str(shown.row["step"]))]
    found.append(("seed", str(shown.plan.seed)))
    if run is not None:
        found += searched(run)
    found.append(("reported with", _listed(versions("torch", "numpy"))))
    found.append(("pack", f"{pack.name}, {pack.hash}"))
    digests = pack.manifest["sha256"]
    weights = {pack.manifest[part]["weights"] for part in ("classifier", "prior")}
    return found + [(name, digests[name]) for name in sorted(weights)]


def searched(run: FinishedRun) -> list[tuple[str, str]]:
    """What a search or campaign ran on."""
    return [
        ("search space", str(run.result["space"])),
        ("device", str(run.result["device"])),
        ("searched with", _listed(run.asked.get("versions", {}))),
        ("MLflow run", str(run.result["mlflow"].get("run_id", ""))),
    ]


def limits(shown: Explanation, note: str) -> list[str]:
    """What a reader must not conclude. note: what the domain's pictures and sounds leave out."""
    row = shown.row
    found = [
        "A good score says that the examples excite the neuron as real ones do. It does not say "
        "that they are all that excites it, nor what lies outside the reach of the prior.",
        _COMPARED[shown.objective.name == DEFAULT.name],
        f"{row['starts']} examples and {len(shown.target)} real excerpts are few: read the "
        "interval, not the digits.",
        "The synthesised examples shown are the most extreme of those kept, but for those least "
        "alike, the real ones the most extreme of those that may be shown; the never-optimised "
        "ones were not chosen.",
    ]
    if note:
        found.append(note)
    if shown.run is not None and shown.row["ci95"]:
        found.append(
            "Runners-up and worst setting are shown by the examples of the search; their scores "
            "are those of fresh starts where an interval is given."
        )
    return found


def footer(pack: Pack) -> str:
    licence = pack.manifest.get("licence")
    weights = licence.get("weights") if isinstance(licence, dict) else None
    return (
        f"Made by tune_am {__version__}, after Mishra, Stoller, Benetos, Sturm and Dixon (2019), "
        f"arXiv:1904.09533.{f' Weights and what they synthesise: {weights}.' if weights else ''}"
    )


def _listed(numbers: dict[str, Any]) -> str:
    """Versions in a line."""
    return ", ".join(f"{name} {number}" for name, number in numbers.items())
