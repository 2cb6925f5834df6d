"""What a finished search leaves to look at: its report, and in MLflow all that one needs to read it
without the run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tune_am.tuning.folder import RunFolder

if TYPE_CHECKING:
    from PIL.Image import Image

    from tune_am.am.plan import Plan
    from tune_am.packs.pack import Pack
    from tune_am.tuning.tracking.runs import Key

# Where they are among a run's artifacts.
REPORT, TABLE, CARD, PICTURE = "report", "trials.json", "pack", "examples.png"

_SHOWN = 4  # examples in a trial's picture
MOST_PICTURES = 200  # each is a request to MLflow's server


def write_report(folder: RunFolder, trust_code: bool) -> Path:
    """The report of `tune_am.explain` on the search in `folder`, in place of an earlier one; the
    path of its page. Raises `UserError` where there is nothing to show."""
    from tune_am.explain import explain  # matplotlib and more

    return explain(folder.path, overwrite=True, trust_code=trust_code)


def files(
    folder: RunFolder, pack: Pack, plan: Plan, best: dict[str, Any] | None
) -> Iterator[tuple[Path, str | None]]:
    """Files and folders for the search's run, each with the folder it goes into.

    best: as in result.json, if it has one; its model is there as long as it is asked for nothing
    else.
    """
    from tune_am.tuning import explanation_model

    report = folder.path / REPORT
    for path, place in (
        (folder.result, None),
        (folder.best, None),
        *card(pack),
        (report, REPORT),
    ):
        if path.exists():
            yield path, place
    if best is None:  # of a campaign
        return
    with TemporaryDirectory() as scratch:
        model = Path(scratch, explanation_model.NAME)
        explanation_model.save(model, pack, plan.neuron, plan.direction, best)
        yield model, explanation_model.NAME


def card(pack: Pack) -> list[tuple[Path, str]]:
    """The data card of `pack` and where it goes, if it has one of its own."""
    named = "README.md" in pack.described.sha256
    return [(pack.path / "README.md", CARD)] if named else []


def pictures(folder: RunFolder, pack: Pack) -> Iterator[tuple[Key, Image]]:
    """Of each of the `MOST_PICTURES` best trials that kept examples its key and a small picture of
    a few, on one scale."""
    import torch

    from tune_am.am.score import inputs_of
    from tune_am.report.finished import FinishedRun
    from tune_am.report.media import image_of
    from tune_am.report.renderer import renderer_for

    run, renderer = FinishedRun.read(folder.path), renderer_for(pack)
    shown = {}
    best = sorted(
        run.result["trials"], key=lambda row: run.objective.loss(row[run.objective.metric])
    )
    for row in best[:MOST_PICTURES]:
        if (kept := run.kept(row["trial"])) is not None:
            latents = kept.latents[:_SHOWN].to(pack.device)
            shown[row["trial"]] = inputs_of(pack, latents).cpu()
    if not shown:
        return
    limits = renderer.limits(torch.cat(list(shown.values())))
    for number, inputs in shown.items():
        codes = renderer.codes(inputs, limits)
        yield ("", number), image_of(torch.cat(list(codes), dim=1), renderer.colours)
