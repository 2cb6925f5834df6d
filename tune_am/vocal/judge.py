"""What a second singing detector, which the search never saw, hears in a search's result.

``python -m tune_am.vocal.judge RUN_DIR [--json FILE]`` says which share of the best setting's
examples the judge hears as singing, beside what it is to be read against. The judge is of another
architecture and learned from songs of other acts than the shipped detector; both also learned from
the same speech made to sing (judge_net.py).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_am.command import CommandParser, add_trust_code
from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.whole import whole

if TYPE_CHECKING:
    from torch import Tensor

    from tune_am.am.plan import Plan
    from tune_am.packs.pack import Pack
    from tune_am.report.finished import FinishedRun
    from tune_am.vocal.judge_net import Judge

NEVER = 200  # random latents of the prior

# Classifiers with random weights, and starts that ascend on each: one alone may please the judge
# by chance, whatever all its examples are. So many classifiers tell more than many starts.
CLASSIFIERS, STARTS = 16, 2

_WORDS = {
    "best": "best setting",
    "never_optimised": "never optimised",
    "random_classifier": "random classifiers",
    "real_most": "real, most exciting",
    "real_least": "real, least exciting",
}


@dataclass(frozen=True)
class Verdict:
    """Share of `n` excerpts that the judge hears as singing, and its 95 % Wilson interval.

    The interval is that of so many `independent` ones: of random classifiers that is the number of
    classifiers, for the examples of one may all be alike.
    """

    heard_as_singing: float
    ci95: tuple[float, float]
    n: int
    independent: int


def judge_run(run: FinishedRun, pack: Pack, judge: Judge) -> dict[str, Verdict]:
    """Verdicts on the best setting's examples (``best``), and to read them against:

    ``never_optimised``: random latents. ``random_classifier``: the same ascent on `CLASSIFIERS`
    classifiers with random weights. ``real_most``, ``real_least``: of the pack's real excerpts the
    half that excites the neuron most, and the other half.

    Raises:
        UserError: the run kept no examples, or the pack's inputs are not what the judge takes.
    """
    from tune_am.am import controls
    from tune_am.am.score import inputs_of
    from tune_am.vocal.melspec import expect_log_mel

    expect_log_mel(pack)
    kept, plan = run.best(), run.plan()
    if kept is None:
        raise UserError(f"{run.path} holds no examples (best.safetensors, trials/): search again")
    random, of = _random_classifiers(run, pack, plan)
    latents = {
        "best": kept.latents.to(pack.device),
        "never_optimised": controls.never_optimised_latents(pack, plan, NEVER),
        "random_classifier": random,
    }
    groups = {name: inputs_of(pack, z).cpu() for name, z in latents.items()}
    groups |= _real_halves(pack, plan)
    independent = {"random_classifier": len(of.unique())}
    return {
        name: verdict(judge, inputs, independent.get(name))
        for name, inputs in groups.items()
        if len(inputs)
    }


def verdict(judge: Judge, excerpts: Tensor, independent: int | None = None) -> Verdict:
    """What `judge` says of log-mel ``excerpts: [n, bands, frames]``.

    independent: how many of them at most are independent of each other, all if None.
    """
    from tune_am.vocal.judge_net import hear

    n = len(excerpts)
    share = float((hear(judge, excerpts).logits > 0).double().mean())
    independent = n if independent is None else min(independent, n)
    interval = wilson_interval(share * independent, independent)
    return Verdict(share, interval, n, independent)


def wilson_interval(successes: float, n: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927); it stays within 0 and 1."""
    from tune_am.am.measures import NORMAL_95 as z

    share = successes / n
    centre = share + z**2 / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = ((centre + sign * reach) / (1 + z**2 / n) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)


def _random_classifiers(run: FinishedRun, pack: Pack, plan: Plan) -> tuple[Tensor, Tensor]:
    """Latents [n, *latent_shape] of the best setting on them, and of which [n] each is."""
    from tune_am.am.random_classifier import ascended_latents
    from tune_am.am.settings import Settings

    best = run.result["best"]
    settings = Settings.from_dict(best["settings"])
    fresh = replace(plan.fresh("judge"), starts=STARTS * CLASSIFIERS)
    return ascended_latents(pack, fresh, settings, best["step"], CLASSIFIERS)


def _real_halves(pack: Pack, plan: Plan) -> dict[str, Tensor]:
    """The pack's real excerpts ``[n, *input_shape]``, halved by the neuron's activation."""
    from tune_am.am.score import activations_of

    if pack.excerpts is None:
        return {}
    inputs = pack.excerpts.inputs
    activations = activations_of(pack, pack.neuron(plan.neuron), inputs.to(pack.device)).cpu()
    order = activations.argsort(descending=True, stable=True)
    half = len(order) // 2
    return {"real_most": inputs[order[:half]], "real_least": inputs[order[half:]]}


def table(verdicts: dict[str, Verdict], facts: dict[str, Any]) -> str:
    """The verdicts for the terminal, and how far the judge itself can be trusted."""
    lines = [f"{'':22}heard as singing   95 % interval        n"]
    for name, row in verdicts.items():
        low, high = row.ci95
        interval = f"{low:.0%} to {high:.0%}"
        each = row.n // row.independent
        count = f"{row.independent} x {each}" if each > 1 else f"{row.n}"
        lines.append(f"  {_WORDS[name]:20}{row.heard_as_singing:>16.0%}   {interval:15}{count:>7}")
    measured = facts.get("measures", {}).get("all")
    if measured:
        lines.append(
            f"The judge, on songs of acts that it never heard: area under the curve "
            f"{measured['auc']:.3f}, error {measured['error']:.1%}"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = CommandParser(
        prog="python -m tune_am.vocal.judge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="folder of a finished search")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the verdicts too")
    parser.add_argument("--pack", help="the pack of the search, if it moved")
    add_trust_code(parser)
    parser.add_argument("--judge", type=Path, metavar="FILE", help="another judge than the shipped")
    options = parser.parse_args(argv)
    if options.json is not None and not options.json.parent.is_dir():
        raise UserError(f"no such folder for --json: {options.json.parent}")
    if options.json is not None and options.json.is_dir():
        raise UserError(f"--json {options.json} is a folder: name a file")

    from tune_am.report.finished import FinishedRun
    from tune_am.vocal.judge_net import SHIPPED, load_judge

    run = FinishedRun.read(options.run)
    pack = run.load_pack(options.pack, options.trust_code)
    judge, facts = load_judge(options.judge or SHIPPED)
    verdicts = judge_run(run, pack, judge)
    result = run.result
    steps = counted(result["best"]["step"], "step")
    print(f"{result['neuron']}, direction {result['direction']}, {steps}")
    print(table(verdicts, facts))
    if options.json is None:
        return
    content = {
        "neuron": result["neuron"],
        "direction": result["direction"],
        "pack": pack.hash,
        "judge": facts,
        **{name: asdict(row) for name, row in verdicts.items()},
    }
    with whole(options.json) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main, goes_on=False)
