"""The commands of the package, without the seconds in which a new process loads PyTorch."""

from __future__ import annotations

import io
import runpy
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from subprocess import CompletedProcess
from unittest import mock


def command(module: str, *arguments: object) -> CompletedProcess[str]:
    """What ``python -m module arguments`` does, prints and exits with, in this process."""
    argv = [module, *map(str, arguments)]
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", argv),
        redirect_stdout(out),
        redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        # That the module is imported already, and runs a second time.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if isinstance(end.code, str):  # as Python itself does
                print(end.code, file=err)
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return CompletedProcess(argv, status, out.getvalue(), err.getvalue())
