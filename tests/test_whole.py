"""Files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tune_am.whole import whole


def test_what_was_written_replaces_the_file_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("before")
    with whole(file) as partial:
        partial.write_text("after")
        assert (partial.parent, file.read_text()) == (tmp_path, "before")
    assert file.read_text() == "after"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_the_file_as_it_was_and_nothing_beside(
    tmp_path: Path, error: type[BaseException]
) -> None:
    file = tmp_path / "a.json"
    file.write_text("before")

    def fill() -> None:
        with whole(file) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        fill()
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
