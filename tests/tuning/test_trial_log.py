"""A trial's log costs no trial."""

from __future__ import annotations

from pathlib import Path

import pytest

from tune_am.tuning import trial_log
from tune_am.tuning.trial_log import TrialLog


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(trial_log, "session_logs", lambda: tmp_path)
    return tmp_path


def test_a_title_longer_than_a_file_name_is_cut(logs: Path) -> None:
    TrialLog(7, f"{'layer.' * 60}:1-max lr=0.01").line("begins")
    TrialLog(8, f"{'layer.' * 60}:1-max lr=0.01").line("begins")
    names = sorted(path.name for path in logs.iterdir())
    assert [name[:16] for name in names] == ["trial_0007_layer", "trial_0008_layer"]
    assert all(name.endswith(".log") and len(name) < 255 for name in names)


def test_a_log_that_cannot_be_written_is_done_without(
    logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = TrialLog(7, "vocal-max lr=0.01")
    logs.rmdir()
    log.line("begins")
    assert capsys.readouterr().out == "trial 0007 vocal-max lr=0.01: begins\n"
