"""A pack of your own classifier and prior. As a function: `make_pack`.

python -m tune_am.make_pack my_module:describe --out my_pack --trust-code

`describe()` is yours: it returns the arguments of `tune_am.make_pack`, all but `out` and
`overwrite`, as a dict.
"""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from tune_am.callable_module import make_callable
from tune_am.command import CommandParser, exit_status
from tune_am.errors import UserError, reason
from tune_am.packs.place import expect_place

if TYPE_CHECKING:
    from tune_am.packs.pack import Pack


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 2 for what the user can mend, 130 after Ctrl-C."""
    return exit_status(lambda: _made(arguments))


def __getattr__(name: str) -> Any:
    """`make_pack`, with its real signature; it brings PyTorch, which importing this does not."""
    if name != "make_pack":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tune_am.packs.make_pack import make_pack

    return make_pack


def _made(arguments: Sequence[str] | None) -> None:
    parser = CommandParser(
        prog="python -m tune_am.make_pack",
        description="Make a pack of your own classifier, prior and real data.",
    )
    parser.add_argument(
        "describe",
        metavar="MODULE:FUNCTION",
        help="your function, nets:describe for that in nets.py here: it takes no arguments and "
        "returns those of tune_am.make_pack, all but out and overwrite, as a dict",
    )
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace a pack in that folder")
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="needed: MODULE:FUNCTION is code, which is imported and called",
    )
    options = parser.parse_args(arguments)
    if not options.trust_code:
        raise UserError(
            f"{options.describe} is code: add --trust-code if you trust whoever wrote it"
        )
    expect_place(options.out, options.overwrite)  # before anything is computed
    described = _described(options.describe)
    from tune_am.packs.make_pack import make_pack

    pack = make_pack(**described, out=options.out, overwrite=options.overwrite)
    units = ", ".join(f"{layer} ({count})" for layer, count in pack.layers.items())
    print(f"Pack:    {pack.path}")
    print(f"Layers:  {units}")
    print(f"Neurons: {', '.join(pack.neurons) or 'none named: LAYER:UNIT'}")
    if (undrawn := _undrawn(pack)) is not None:
        print(f"Report:  none: {undrawn}")
    neuron = next(iter(pack.neurons), f"{next(reversed(pack.layers))}:0")
    search = ["python", "-m", "tune_am.search", "--pack", _asked_for(options.out)]
    search += ["--neuron", neuron]
    if pack.described.classifier.foreign or pack.described.prior.foreign:
        search.append("--trust-code")
    search += [] if undrawn is None else ["--no-report"]
    print(f"Search:  {shlex.join(search)}")


def _asked_for(folder: Path) -> str:
    """What `--pack` must say for it: a shipped pack's name alone is that one's."""
    from tune_am.packs.pack import SHIPPED

    return os.path.join(os.curdir, folder) if str(folder) in SHIPPED else str(folder)


def _undrawn(pack: Pack) -> str | None:
    """Why a report could not draw the pack's inputs; None where it can."""
    from tune_am.report.renderer import renderer_for

    try:
        renderer_for(pack)
    except UserError as error:
        return str(error)
    return None


def _described(name: str) -> dict[str, Any]:
    """What the function "module:function" returns, checked to be arguments of `make_pack`."""
    described = _returned(name)
    if not isinstance(described, dict):
        raise UserError(f"{name} must be a function that returns a dict of arguments of make_pack")
    from tune_am.packs.make_pack import make_pack

    allowed = inspect.signature(make_pack).parameters.keys() - {"out", "overwrite"}
    if unknown := [key for key in described if key not in allowed]:
        raise UserError(f"{name} gives {unknown[0]!r}; make_pack has {', '.join(sorted(allowed))}")
    if missing := [key for key in ("classifier", "prior", "real_data", "neurons")
                   if key not in described]:  # fmt: skip
        raise UserError(f"{name} gives no {missing[0]!r}, which make_pack needs")
    return described


def _returned(name: str) -> Any:
    """What the function returns; None of what is no function."""
    module, _, attribute = name.partition(":")
    if not (module and attribute) or module.startswith(".") or "/" in module:
        raise UserError(
            f"{name!r} is no function: write MODULE:FUNCTION, for example nets:describe"
        )
    doing = "cannot be imported"
    try:
        function = getattr(import_module(module), attribute)
        doing = "failed"
        return function() if callable(function) else None
    except (Exception, SystemExit) as error:  # whatever a user's code raises
        raise UserError(f"{name} {doing}: {_line(error)}") from None


def _line(error: BaseException) -> str:
    """The error in one line, with the line of the user's module that led to it."""
    text = reason(error, kind=True)
    frames = [
        frame for frame in extract_tb(error.__traceback__)[1:] if "importlib" not in frame.filename
    ]
    if not frames or isinstance(error, SyntaxError):  # which says its line itself
        return text
    return f"{text} ({Path(frames[0].filename).name}, line {frames[0].lineno})"


make_callable(__name__)

if __name__ == "__main__":
    sys.exit(main())
