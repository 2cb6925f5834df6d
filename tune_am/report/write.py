"""A report on disk: pictures, sounds, latents and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tune_am.packs.pack import Pack
from tune_am.packs.stored import save_tensors
from tune_am.report.campaign import campaign_page
from tune_am.report.compare import Side, compare_page
from tune_am.report.data import SCHEMA, facts, search
from tune_am.report.explanation import Explanation, Group, typical_inputs
from tune_am.report.figures import draw_figures
from tune_am.report.finished import FinishedRun
from tune_am.report.folder import FACTS, PAGE, new_folder
from tune_am.report.media import Media
from tune_am.report.page import report_page
from tune_am.report.renderer import renderer_for
from tune_am.tuning.folder import UNITS

LATENTS, SOUNDS, FIGURES = "latents.safetensors", "sounds", "figures"


def write_report(
    shown: Explanation,
    beside: Explanation | None,
    out: Path,
    commands: dict[str, str],
    overwrite: bool = False,
) -> Path:
    """Write the report on `shown` into the new folder `out`; the path of its page."""
    renderer = renderer_for(shown.pack)
    groups = shown.groups + ([] if beside is None else [beside.best])
    searched = None if shown.run is None else search(shown.run)
    with new_folder(out, overwrite) as folder:
        media = Media.write(renderer, typical_inputs(shown), groups, folder / SOUNDS)
        trials = [] if searched is None else searched["trials"]
        draw_figures(shown, renderer, media.limits, trials, folder / FIGURES)
        _save_latents(groups, folder / LATENTS)
        page = report_page(shown, media, beside, searched, commands)
        (folder / PAGE).write_text(page, encoding="utf-8")
        _write_json(folder / FACTS, facts(shown))
    return out.absolute() / PAGE


def write_comparison(
    columns: Sequence[Side], out: Path, commands: dict[str, str], overwrite: bool = False
) -> Path:
    """Write the page that shows `columns` side by side; its path."""
    renderer = renderer_for(columns[0].shown.pack)
    groups = [
        group
        for side in columns
        for group in (side.shown.best, side.shown.real)
        if group is not None
    ]
    with new_folder(out, overwrite) as folder:
        typical = typical_inputs(columns[0].shown)
        media = Media.write(renderer, typical, groups, folder / SOUNDS)
        _save_latents(groups, folder / LATENTS)
        page = compare_page(columns, media, commands)
        (folder / PAGE).write_text(page, encoding="utf-8")
        _write_json(
            folder / FACTS, {"schema": SCHEMA, "compared": [facts(side.shown) for side in columns]}
        )
    return out.absolute() / PAGE


def write_campaign(run: FinishedRun, pack: Pack, out: Path, overwrite: bool = False) -> Path:
    """Write the page about the campaign `run` into the folder `out`; its path. Raises `UserError`
    for inputs that cannot be drawn."""
    renderer = renderer_for(pack)
    with new_folder(out, overwrite) as folder:
        page = campaign_page(run, pack, renderer, out)
        (folder / PAGE).write_text(page, encoding="utf-8")
        stated = {name: run.result[name] for name in ("neuron", UNITS)}
        _write_json(folder / FACTS, {"schema": SCHEMA, **stated})
    return out.absolute() / PAGE


def _save_latents(groups: Sequence[Group], path: Path) -> None:
    """``<group>.latents`` [n, *latent_shape] and ``<group>.activations`` [n] of what was made."""
    tensors = {}
    for group in groups:
        if group.latents is not None:
            tensors[f"{group.key}.latents"] = group.latents
            tensors[f"{group.key}.activations"] = group.activations
    save_tensors(tensors, path)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
