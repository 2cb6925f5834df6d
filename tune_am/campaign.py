"""What a campaign over many neurons found, for a script or a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_am.counting import counted
from tune_am.report.finished import FinishedRun
from tune_am.result import SearchResult
from tune_am.tuning.folder import UNITS

if TYPE_CHECKING:
    from pandas import DataFrame


class CampaignResult(Mapping[str, SearchResult]):
    """The results by neuron: `campaign["fc8:3"]` is what a search on it alone would have given.

    content: of the campaign's result.json (docs/result.md). folder: its run folder. trust_code:
    whether its pack's own code may run.
    """

    def __init__(self, folder: Path, content: dict[str, Any], trust_code: bool = False) -> None:
        self.folder = folder
        self.content = content
        self._trust_code = trust_code

    def __getitem__(self, neuron: str) -> SearchResult:
        return self._results[neuron]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    @property
    def complete(self) -> bool:
        """False when the campaign was stopped before its settings were scored again."""
        return bool(self.content["complete"])

    @property
    def distances(self) -> dict[str, float | None]:
        """How far each neuron's best is from the real excerpts, in multiples of its noise floor's
        distance: comparable between neurons; None without a score."""
        return {row["neuron"]: row["distance"] for row in self.content[UNITS]}

    def to_frame(self) -> DataFrame:
        """A line for each neuron: distance, trials, sample_steps, its best row and settings."""
        from pandas import DataFrame  # comes with MLflow

        apart = ("best", "controls", "folder")
        rows = []
        for row in self.content[UNITS]:
            best = dict(row["best"] or {})
            settings = best.pop("settings", {})
            plain = {key: value for key, value in row.items() if key not in apart}
            rows.append({**plain, **best, **settings})
        return DataFrame(rows).set_index("neuron")

    @cached_property
    def _results(self) -> dict[str, SearchResult]:
        found = {}
        for row in self.content[UNITS]:
            run = FinishedRun.read(self.folder / row["folder"], campaign=True)
            found[row["neuron"]] = SearchResult(run.path, run.result, self._trust_code)
        return found

    def __repr__(self) -> str:
        scored = sum(row["best"] is not None for row in self.content[UNITS])
        return (
            f"<CampaignResult of {self.content['neuron']}, {self.content['direction']}imised: "
            f"{scored} of {counted(len(self.content[UNITS]), 'neuron')}, "
            f"{counted(self.content['trials_total'], 'trial')}"
            f"{'' if self.complete else ', stopped'}, {self.folder}>"
        )


def load_result(folder: str | Path, trust_code: bool = False) -> SearchResult | CampaignResult:
    """The result in the run folder of a search or campaign that ended. Raises `UserError`.

    trust_code: allow its pack to run code outside this package, when it is looked into.
    """
    run = FinishedRun.read(Path(folder), campaign=True)
    kind = CampaignResult if run.several else SearchResult
    return kind(run.path, run.result, trust_code)
