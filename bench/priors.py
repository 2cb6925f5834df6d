"""What a GAN prior is worth: the best of the same settings with it and without.

    python bench/priors.py [--pack vocal] [--neuron NAME] [--starts 16] [--max-steps 40]

Every prior is searched with the same grid of settings and the same steps; the setting and step of
the lowest activation-FID are scored again on fresh starts. Those that no network learnt are
searched once more with what keeps inputs smooth. Prints one row for each:

    activation-FID   of the kept activations against the real tail, what the search minimises
    layer-FID        the same at the layer before the neuron's, which no search saw
    to real          RMS distance to the nearest real excerpt, as a multiple of that of real ones
                     to each other
    apart            mean RMS distance of two examples, as a multiple of that of two real ones

and the rows that they are read against: never optimised, and real against real.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from tune_am.am import controls
from tune_am.am.frechet import frechet_distance
from tune_am.am.objectives import LAYER_FID
from tune_am.am.plan import Plan, report_points
from tune_am.am.score import activations_of, before_of, inputs_of, pairwise_distance
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.choices import PRIORS
from tune_am.packs.pack import Pack
from tune_am.packs.unlearned import UNLEARNED

RATES, PENALTIES = (0.01, 0.05, 0.2), (0.0, 0.01, 0.1)
SMOOTH = {"tv": 1e-3, "blur": 1.0, "jitter": 2, "init_scale": 0.3}


@dataclass(frozen=True)
class Row:
    name: str
    activation_fid: float
    layer_fid: float
    nearest: float
    apart: float
    setting: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pack", default="vocal", help="name or folder of a pack with excerpts")
    parser.add_argument("--neuron", help="its neuron (the pack's first)")
    parser.add_argument("--starts", type=int, default=16, help="starts of each trial")
    parser.add_argument("--max-steps", type=int, default=40, help="steps of each ascent")
    arguments = parser.parse_args()
    pack = Pack.load(arguments.pack)
    if pack.excerpts is None:
        parser.error(f"the pack {arguments.pack} shows no real excerpts to measure distances to")
    neuron = arguments.neuron or next(iter(pack.neurons))
    plan = Plan(
        neuron, starts=arguments.starts, report_points=report_points(5, arguments.max_steps)
    )
    settings = len(RATES) * len(PENALTIES)
    print(f"{pack.name}, {neuron}: {settings} settings of {plan.starts} starts, steps", end=" ")
    print(", ".join(map(str, plan.report_points)))
    print(f"{'':24}{'activation-FID':>15}{'layer-FID':>11}{'to real':>9}{'apart':>7}   setting")
    for kind in PRIORS:
        begun = time.monotonic()
        searched = Pack.load(arguments.pack, prior=kind)
        show(best_of(searched, plan, kind))
        if kind in UNLEARNED:
            show(best_of(searched, plan, f"{kind}, smooth", SMOOTH))
        show(untouched(searched, plan))
        print(f"  ({time.monotonic() - begun:.0f} s)")
    show(real(pack, plan))


def best_of(pack: Pack, plan: Plan, name: str, beside: Mapping[str, Any] = {}) -> Row:
    """The best setting and step of the grid, on fresh starts. beside: other settings of all."""
    trials = []
    for lr, l2 in product(RATES, PENALTIES):
        run = TrialRun(pack, plan, Settings(lr=lr, l2=l2, **beside))
        for step in plan.report_points:
            run.advance_to(step)
        assert run.best is not None
        trials.append((run.best.score, run.best.step, lr, l2))
    _, step, lr, l2 = min(trials)
    fresh = replace(plan.fresh("priors"), starts=2 * plan.starts, report_points=(step,))
    again = TrialRun(pack, fresh, Settings(lr=lr, l2=l2, **beside))
    metrics = again.advance_to(step)
    setting = f"lr {lr}, l2 {l2}, {step} steps, mean activation {metrics['activation_mean']:.1f}"
    return row(pack, plan, name, again.best_inputs(), setting, metrics[LAYER_FID])


def untouched(pack: Pack, plan: Plan) -> Row:
    latents = controls.never_optimised_latents(pack, plan)
    return row(pack, plan, "  never optimised", inputs_of(pack, latents))


def real(pack: Pack, plan: Plan) -> Row:
    """Halves of the real tail against each other; distances are those they are multiples of."""
    control = controls.real_vs_real(pack, plan)
    return Row("real against real", control["activation_fid"], control["layer_fid"], 1.0, 1.0)


def row(
    pack: Pack,
    plan: Plan,
    name: str,
    inputs: Tensor,
    setting: str = "",
    layer_fid: float | None = None,
) -> Row:
    """Distances of `inputs: [n, *input_shape]` from real ones."""
    neuron = pack.neuron(plan.neuron)
    target = pack.reference.target(neuron, plan.direction)
    assert pack.excerpts is not None
    excerpts = pack.excerpts.inputs
    among = torch.cdist(excerpts.flatten(1), excerpts.flatten(1))
    among.fill_diagonal_(torch.inf)
    typical = float(among.min(1).values.median())
    nearest = torch.cdist(inputs.flatten(1), excerpts.flatten(1)).min(1).values
    if layer_fid is None:
        layer_fid = frechet_distance(before_of(pack, neuron, inputs), target.before)
    return Row(
        name,
        frechet_distance(activations_of(pack, neuron, inputs), target.activations),
        layer_fid,
        float(nearest.mean()) / typical,
        pairwise_distance(inputs) / pairwise_distance(excerpts),
        setting,
    )


def show(row: Row) -> None:
    print(
        f"{row.name:24}{row.activation_fid:15.3g}{row.layer_fid:11.3g}{row.nearest:9.2f}"
        f"{row.apart:7.2f}   {row.setting}".rstrip(),
        flush=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
