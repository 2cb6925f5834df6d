"""The examples of a neuron, to look at and listen to. As a function: `explain`.

python -m tune_am.explain RUN_DIR
python -m tune_am.explain --neuron vocal --lr 0.05 --l2 0.1 --steps 40
python -m tune_am.explain --compare RUN_DIR OTHER_RUN_DIR
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_am.callable_module import make_callable
from tune_am.command import exit_status
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.report.config import FEW, ExplainConfig, parse
from tune_am.report.options import from_keywords
from tune_am.tuning.config import default_folder

if TYPE_CHECKING:
    from tune_am.am.settings import Settings
    from tune_am.report.explanation import Explanation
    from tune_am.report.finished import FinishedRun
    from tune_am.report.options import Run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return exit_status(lambda: _reported(arguments))


def _reported(arguments: Sequence[str]) -> None:
    begun = time.monotonic()
    page = write(parse(arguments), shlex.join(["python", "-m", "tune_am.explain", *arguments]))
    print(f"Report: {page} ({time.monotonic() - begun:.1f} s)")


def explain(
    run: Run | None = None,
    *,
    compare: Sequence[Run] = (),
    neuron: str | None = None,
    settings: Settings | dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Write pictures, sounds and one page about a search, several, or a neuron at given settings.

    run: a result or a run folder; or compare: two or more of them; or neuron, with `settings` and
    the options direction, steps, prior and seed. Further options, as of the command line: pack,
    out, examples, overwrite, trust_code (`tune_am.report.config.ExplainConfig`). The path of the
    page; prints nothing. Raises `UserError`.
    """
    return write(*from_keywords(run, compare, neuron, settings, options))


def write(config: ExplainConfig, command: str) -> Path:
    """Write the report that `config` asks for; the path of its page. Raises `UserError`."""
    from tune_am.report.folder import check

    out = config.out or _default_folder(config)
    check(out, config.overwrite)  # before anything is computed
    if config.compare:
        return _compare(config, out, command)
    return _explain_one(config, out, command)


def _explain_one(config: ExplainConfig, out: Path, command: str) -> Path:
    from tune_am.report.explanation import best_of_run, explain_run, renamed
    from tune_am.report.finished import FinishedRun, opposite
    from tune_am.report.write import write_campaign, write_report

    if config.run is None:
        return write_report(
            _at_settings(config), None, out, {"This report:": command}, config.overwrite
        )
    run = FinishedRun.read(config.run, campaign=True)
    if run.several and "examples" in config.given:
        asked = option("examples", config.examples)
        raise UserError(f"{asked}: a campaign's page has one example of each neuron, no more")
    pack = run.load_pack(config.pack, config.trust_code)
    if run.several:
        return write_campaign(run, pack, out, config.overwrite)
    commands = {"The search:": run.command, "This report:": command}
    shown = _kept(run, explain_run(run, pack, config.examples))
    # Of the same pack, wherever that lies by now; without its examples it is left out.
    other = opposite(run)
    beside = None if other is None else best_of_run(other, pack, FEW)
    beside = None if beside is None else renamed(beside, "opposite")
    return write_report(shown, beside, out, commands, config.overwrite)


def _compare(config: ExplainConfig, out: Path, command: str) -> Path:
    from tune_am.report.compare import sides
    from tune_am.report.explanation import best_of_run
    from tune_am.report.finished import FinishedRun
    from tune_am.report.write import write_comparison

    examples = config.examples if "examples" in config.given else FEW
    shown = []
    for path in config.compare:
        run = FinishedRun.read(path)
        pack = run.load_pack(config.pack, config.trust_code)
        shown.append(_kept(run, best_of_run(run, pack, examples)))
    shapes = {one.pack.input_shape for one in shown}
    if len(shapes) > 1:
        raise UserError("the runs are of packs with inputs of different shapes: compare alike ones")
    return write_comparison(sides(shown), out, {"This page:": command}, config.overwrite)


def _kept(run: FinishedRun, shown: Explanation | None) -> Explanation:
    """What is shown of `run`, if it kept examples to show. Raises `UserError`."""
    if shown is None:
        raise UserError(
            f"{run.path} holds no examples (best.safetensors, trials/): explain its settings with "
            f"{option('neuron')} instead"
        )
    return shown


def _at_settings(config: ExplainConfig) -> Explanation:
    from tune_am.am.plan import Plan
    from tune_am.packs.device import chosen_device
    from tune_am.packs.pack import Pack
    from tune_am.report.explanation import explain_settings

    assert config.neuron is not None
    pack = Pack.load(config.pack or "vocal", chosen_device(), config.trust_code, config.prior)
    plan = Plan(config.neuron, config.direction, config.examples, (config.steps,), config.seed)
    pack.neuron(config.neuron)
    return explain_settings(pack, plan, config.settings)


def _default_folder(config: ExplainConfig) -> Path:
    if config.run is not None:
        return config.run / "report"
    what = "compared" if config.compare else f"explained-{config.neuron}"
    return default_folder(what, time.strftime("%Y%m%d-%H%M%S"))


if __name__ == "__main__":
    sys.exit(main())

make_callable(__name__)
