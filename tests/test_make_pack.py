"""The command that makes a pack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tune_am
from tune_am.am.pack import Pack
from tune_am.make_pack import main

DESCRIBE = "tests.am.own_models:describe"


def test_a_pack_by_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pack"
    command = [sys.executable, "-m", "tune_am.make_pack", DESCRIBE, "--out", str(out)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "is code: add --trust-code" in refused.stderr
    assert main([*command[3:], "--trust-code"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "Layers:  1 (3)" in printed.out
    assert f"python -m tune_am.search --pack {out} --neuron second" in printed.out
    pack = Pack.load(out)
    assert (pack.neurons, pack.input_shape) == ({"second": "1:1"}, (1, 8, 8))


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ("tests", "write MODULE:FUNCTION"),
        ("no_such_module:f", "cannot be imported: No module named"),
        ("tests.am.own_models:nothing", "cannot be imported: "),
        ("tests.am.own_models:wav2letter", "must be a function that returns a dict"),
        ("tests.test_make_pack:DESCRIBE", "must be a function that returns a dict"),
        ("tests.test_make_pack:unknown", "gives 'clasifier'; make_pack has about, classifier"),
        ("tests.test_make_pack:missing", "gives no 'prior', which make_pack needs"),
    ],
)
def test_what_describes_no_pack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], described: str, said: str
) -> None:
    assert main([described, "--out", str(tmp_path / "pack"), "--trust-code"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([DESCRIBE, "--out", str(tmp_path), "--trust-code"]) == 2
    assert "exists already; name another folder or add --overwrite" in capsys.readouterr().err


def test_the_command_is_a_function_too(tmp_path: Path) -> None:
    with pytest.raises(tune_am.UserError, match="the classifier is int"):
        tune_am.make_pack(3, "raw", __import__("torch").zeros(100, 6), {}, tmp_path / "pack")


def unknown() -> dict[str, object]:
    return {"clasifier": None}


def missing() -> dict[str, object]:
    return {"classifier": None}
