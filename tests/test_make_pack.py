"""The command that makes a pack."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tune_am
from tests.packs.own_models import Overwriter
from tune_am.make_pack import main
from tune_am.packs.make_pack import make_pack
from tune_am.packs.pack import Pack

DESCRIBE = "tests.packs.own_models:describe"


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
    assert f"python -m tune_am.search --pack {out} --neuron second\n" in printed.out
    pack = Pack.load(out)
    assert (pack.neurons, pack.input_shape) == ({"second": "1:1"}, (1, 8, 8))


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ("tests", "write MODULE:FUNCTION"),
        ("./nets:describe", "write MODULE:FUNCTION"),
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError: No module named"),
        ("tests.packs.own_models:nothing", "cannot be imported: AttributeError: module"),
        (
            "tests.test_make_pack:failing",
            "failing failed: RuntimeError: no data, no pack (test_mak",
        ),
        ("tests.test_make_pack:of_a_path", "of_a_path failed: TypeError: of_a_path() missing 1"),
        ("tests.packs.own_models:wav2letter", "must be a function that returns a dict"),
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


def test_a_module_that_is_no_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as `python -m` does
    Path("no_python.py").write_text("x = 1\ndef describe(:\n")
    assert main(["no_python:describe", "--out", "pack", "--trust-code"]) == 2
    said = "error: no_python:describe cannot be imported: SyntaxError: "
    error = capsys.readouterr().err
    assert error.startswith(said)
    assert error.endswith("(no_python.py, line 2)\n")


@pytest.mark.parametrize(("out", "typed"), [("my pack", "'my pack'"), ("vocal", "./vocal")])
def test_the_search_that_is_proposed_can_be_typed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    out: str,
    typed: str,
) -> None:
    """Names with spaces, that of a shipped pack; classes of the user's own, which need consent."""
    monkeypatch.chdir(tmp_path)
    assert main(["tests.test_make_pack:of_a_class", "--out", out, "--trust-code"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == (
        f"Search:  python -m tune_am.search --pack {typed} --neuron 'left one' --trust-code"
    )


def test_an_existing_folder_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the user's function runs; what is no pack is never replaced."""
    asked = ["tests.test_make_pack:failing", "--out", str(tmp_path), "--trust-code"]
    assert main([*asked, "--overwrite"]) == 2
    assert "exists and is no pack: name another folder" in capsys.readouterr().err
    (tmp_path / "pack.json").write_text('{"sha256": {}}')
    assert main(asked) == 2
    assert "exists already; name another folder or add --overwrite" in capsys.readouterr().err


def test_the_command_is_a_function_too(tmp_path: Path) -> None:
    with pytest.raises(tune_am.UserError, match="the classifier is int"):
        tune_am.make_pack(3, "raw", torch.zeros(100, 6), {}, tmp_path / "pack")
    assert inspect.signature(tune_am.make_pack) == inspect.signature(make_pack)


def test_a_module_is_found_in_the_folder_where_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "nets_here.py").write_text("raise RuntimeError('found')\n")
    command = [sys.executable, "-m", "tune_am.make_pack", "nets_here:describe", "--trust-code"]
    run = subprocess.run([*command, "--out", "p"], capture_output=True, text=True, cwd=tmp_path)
    assert "nets_here:describe cannot be imported: RuntimeError: found" in run.stderr


def unknown() -> dict[str, object]:
    return {"clasifier": None}


def missing() -> dict[str, object]:
    return {"classifier": None}


def failing() -> None:
    raise RuntimeError("no data,\nno pack")


def of_a_path(path: str) -> dict[str, object]:
    return {"real_data": path}


def test_a_pack_that_no_report_could_draw_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack"
    assert main(["tests.test_make_pack:of_a_domain", "--out", str(out), "--trust-code"]) == 0
    *_, report, search = capsys.readouterr().out.splitlines()
    assert report.startswith("Report:  none: unknown domain 'touch' of the input")
    assert search.endswith(" --no-report")


def of_a_domain() -> dict[str, object]:
    return {**of_a_class(), "input": {"domain": "touch"}}


def of_a_class() -> dict[str, object]:
    return {
        "classifier": Overwriter(),
        "classifier_config": {},
        "prior": "raw",
        "real_data": torch.randn(100, 6),
        "neurons": {"left one": "head:0"},
    }
