"""A report on disk: pictures, sounds, latents and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_file

from tune_am.am.stored import readable
from tune_am.report.compare import Side, compare_page
from tune_am.report.data import SCHEMA, facts, trial_rows
from tune_am.report.explanation import Explanation, Group, typical_inputs
from tune_am.report.figures import draw_figures
from tune_am.report.folder import FACTS, PAGE, new_folder
from tune_am.report.media import Media
from tune_am.report.page import report_page
from tune_am.report.renderer import renderer_for

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
    with new_folder(out, overwrite) as folder:
        media = Media.write(renderer, typical_inputs(shown), groups, folder / SOUNDS)
        searched = [] if shown.run is None else trial_rows(shown.run)
        draw_figures(shown, renderer, media.limits, searched, folder / FIGURES)
        _save_latents(groups, folder / LATENTS)
        page = report_page(shown, media, beside, commands)
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


def _save_latents(groups: Sequence[Group], path: Path) -> None:
    """``<group>.latents`` [n, *latent_shape] and ``<group>.activations`` [n] of what was made."""
    tensors = {}
    for group in groups:
        if group.latents is not None:
            tensors[f"{group.key}.latents"] = group.latents.contiguous()
            tensors[f"{group.key}.activations"] = group.activations.contiguous()
    save_file(tensors, path)
    readable(path)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
