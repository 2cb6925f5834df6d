"""What holds for every layout of a corpus."""

import pytest

from tests.vocal.layout_trees import corpus_command
from tune_am.errors import UserError
from tune_am.vocal import corpus as stage
from tune_am.vocal.corpus import build_corpus
from tune_am.vocal.layouts import describe_sources


def test_a_work_folder_keeps_to_its_corpus(jamendo, lyrics, tmp_path):
    build_corpus(jamendo, tmp_path / "work", corpus="jamendo")
    with pytest.raises(UserError, match="holds the corpus 'jamendo'"):
        build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")


def test_sources_for_the_card(recordings, jamendo, lyrics):
    (whole,) = describe_sources("jamendo", jamendo)
    assert (whole["id"], whole["licence"], whole["excerpts"]) == ("jamendo", "see the set", False)
    song = describe_sources("jamendolyrics", lyrics)[0]
    assert song == {
        "role": "sung",
        "id": "Été_-_train",
        "artist": "Ana",
        "licence": "CC-BY-SA",
        "split": "train",
        "excerpts": True,
    }
    house = describe_sources("house", recordings)
    assert [(row["role"], row["id"]) for row in house] == [
        ("sung", "one"),
        ("sung", "two"),
        ("sung", "three"),
        ("no_singing", "noise"),
    ]


def test_the_command_says_what_is_wrong_in_one_line(jamendo, tmp_path):
    done = corpus_command("jamendo", tmp_path, tmp_path / "work")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path} is not laid out as the Jamendo set: expected")
    assert done.stderr.count("\n") == 1

    with pytest.raises(UserError, match="no corpus 'jam': choose house, jamendo or jamendolyrics"):
        stage.main(["--corpus", "jam", "--data", str(jamendo), "--work", str(tmp_path / "work")])


def test_a_work_folder_of_before_the_layouts_is_of_the_house(recordings, jamendo, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.json").write_text("[]")
    with pytest.raises(UserError, match="holds the corpus 'house'"):
        build_corpus(jamendo, tmp_path, corpus="jamendo")
