"""The main command: hunt the best settings for a neuron or for many. A function: `search`.

python -m tune_am.search --neuron vocal
"""

from __future__ import annotations

import inspect
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from tune_am.callable_module import make_callable
from tune_am.command import exit_status
from tune_am.errors import UserError
from tune_am.tuning.config import parse
from tune_am.tuning.options import command_line, from_keywords, joined, parameters

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tune_am.campaign import CampaignResult
    from tune_am.result import SearchResult
    from tune_am.tuning.options import SearchOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0, 1 for no complete result, 2 for what the user can mend,
    130 when stopped by Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return exit_status(lambda: _search(arguments))


def _search(arguments: Sequence[str]) -> int:
    config, given = parse(arguments)
    from tune_am.tuning.session import command  # seconds of imports, after the cheap checks

    return command(config, given, shlex.join(["python", "-m", "tune_am.search", *arguments]))


@overload
def search(
    neuron: list[str] | tuple[str, ...],
    *,
    progress: bool = ...,
    on_event: Callable[[str, dict[str, Any]], object] | None = ...,
    cancel: threading.Event | None = ...,
    **options: Unpack[SearchOptions],
) -> CampaignResult: ...


@overload
def search(
    neuron: str | None = ...,
    *,
    progress: bool = ...,
    on_event: Callable[[str, dict[str, Any]], object] | None = ...,
    cancel: threading.Event | None = ...,
    **options: Unpack[SearchOptions],
) -> SearchResult: ...


def search(
    neuron: str | list[str] | tuple[str, ...] | None = None,
    *,
    progress: bool = False,
    on_event: Callable[[str, dict[str, Any]], object] | None = None,
    cancel: threading.Event | None = None,
    **options: Unpack[SearchOptions],
) -> SearchResult | CampaignResult:
    """Hunt the settings of activation maximisation that explain `neuron` best.

    neuron: a name of the pack ("vocal") or layer:unit ("fc8:12"). Several, as a list or a text
    ("fc8:0-15", "fc8:*", "vocal,fc8:3"), are one campaign, whose `CampaignResult` has a result for
    each; type checkers know that of a list only. options: those of the command
    line, by name, with its defaults and checks (`tune_am.tuning.config.SearchConfig`);
    ``resume=folder`` goes on with an earlier search.

    Prints nothing, unless `progress`; trouble that does not end the search goes to the log
    "tune_am". on_event: called with each event's name and facts, those that ``--json`` prints,
    from one thread at a time but not always the caller's; it must return at once. What it raises
    stops the search and is raised here, as is what `cancel.is_set()` raises. cancel: an event
    which, once set, stops the search: the result is then in part only (`SearchResult.complete`).
    Ctrl-C stops it too; then `KeyboardInterrupt` is raised once its results are written.

    A Ray that runs in this process is used and left running; else one is started and shut down.
    Works from any thread, one search at a time. Raises `UserError` for what the caller can mend.
    """
    if isinstance(neuron, list | tuple):
        neuron = joined(neuron)
    asked: dict[str, Any] = {"neuron": neuron, **options}
    config, given = from_keywords(asked)
    if on_event is not None and not callable(on_event):
        raise UserError(f"on_event={on_event!r}: must be a function of an event's name and facts")
    if cancel is not None and not hasattr(cancel, "is_set"):
        raise UserError(f"cancel={cancel!r}: must be a threading.Event")
    if progress and config.quiet:
        raise UserError("progress=True and quiet=True exclude each other")
    from tune_am.run_search import run_search  # seconds of imports, after the cheap checks

    return run_search(config, given, command_line(config, given), progress, on_event, cancel)


def _signature() -> inspect.Signature:
    """With every option by name."""
    plain = inspect.signature(search)
    named = [p for p in plain.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return plain.replace(parameters=[*named, *parameters()])


search.__signature__ = _signature()  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.exit(main())

make_callable(__name__)
