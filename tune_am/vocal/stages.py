"""What the commands of the pack's build share: their options and their error line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tune_am.choices import DEVICES
from tune_am.command import CommandParser, exit_status
from tune_am.errors import UserError


def stage_parser(
    description: str | None, data: bool = False, steps: int | None = None
) -> argparse.ArgumentParser:
    """Parser with ``--work``; with ``data`` also ``--data``, ``--corpus`` and ``--debian``; for a
    training of so many ``steps`` also ``--steps``, ``--seed`` and ``--device``."""
    parser = CommandParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for what the stages keep")
    if data:
        add_corpus_options(parser)
    if steps is not None:
        parser.add_argument("--steps", type=step_count, default=steps, help=f"[{steps}]")
        add_training_options(parser)
    return parser


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    """``--data``, ``--corpus`` and ``--debian``."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument(
        "--corpus",
        default="house",
        help="how they are laid out: house (with sources.json), jamendo, jamendolyrics [house]",
    )
    add_debian_option(parser)


def add_debian_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--debian", type=Path, help="folder with the Debian packages (else downloaded)"
    )


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """``--seed`` and ``--device``; the latter is parsed to "cpu" or "cuda"."""
    parser.add_argument("--seed", type=int, default=0, help="[0]")
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        help="auto, cpu or cuda; auto takes a GPU if there is one [auto]",
    )


def _device(text: str) -> str:
    from tune_am.packs.device import chosen_device  # torch takes seconds, --help none

    if text not in DEVICES:
        raise argparse.ArgumentTypeError(f"{text!r} must be one of {', '.join(DEVICES)}")
    try:
        return chosen_device(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def step_count(text: str) -> int:
    """A number of training steps, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)


def run_stage(main: Callable[[], None], goes_on: bool = True) -> None:
    """Runs a stage and exits. goes_on: whether it goes on where it was interrupted."""
    again = "the same command goes on where this one stopped" if goes_on else "nothing was written"
    sys.exit(exit_status(main, f"interrupted: {again}"))
