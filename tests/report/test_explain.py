"""`python -m tune_am.explain`, as a user runs it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import soundfile
from PIL import Image
from safetensors.torch import load_file

from tests.finished_searches import search
from tune_am.am.plan import Plan
from tune_am.explain import main
from tune_am.packs.pack import Pack
from tune_am.report.compare import Side
from tune_am.report.explanation import Explanation
from tune_am.report.page import OUTCOMES


class Page(HTMLParser):
    """What a page consists of: its elements, the text of its headings, the sources it names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.headings: list[str] = []
        self._heading = False
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._heading = tag == "h2"
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.headings.append(data)
            self._heading = False

    @property
    def data(self) -> dict:
        return json.loads(self.text.split('id="data">')[1].split("</script>")[0])


def test_a_run_is_explained(runs: Path, explained: Path) -> None:
    out = explained
    assert [path.name for path in out.parent.iterdir()] == ["most"]
    names = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    pictures = ("activations", "ascent", "examples", "path", "search")
    assert [name for name in names if name.startswith("figures/")] == [
        f"figures/{name}.{suffix}" for name in pictures for suffix in ("png", "svg")
    ]
    for name in pictures:
        with Image.open(out / "figures" / f"{name}.png") as picture:
            assert picture.width > 1200
    assert {"explain.json", "latents.safetensors", "report.html"} <= set(names)
    samples, rate = soundfile.read(out / "sounds" / "best-05.flac")
    assert 1.5 < len(samples) / rate < 1.8
    assert not (out / "sounds" / "best-06.flac").exists()
    assert (out / "sounds" / "opposite-best-04.flac").exists()

    latents = load_file(out / "latents.safetensors")
    told = json.loads((out / "explain.json").read_text())
    assert latents["best.latents"].shape == (5, 8)
    assert (latents["best.activations"] > latents["opposite-best.activations"].max()).all()
    assert latents["best.activations"].tolist() == told["groups"]["best"]["activations"]

    page = Page(out / "report.html")
    assert page.headings == [
        "Examples",
        "Other settings",
        "Controls",
        "Most and least",
        "The search",
        "Reproduce it",
        "Limits",
    ]
    result = json.loads((runs / "most" / "result.json").read_text())
    assert [row["trial"] for row in page.data["search"]["trials"]] == list(range(9))
    assert page.data["search"]["outcomes"] == OUTCOMES
    assert page.data["levels"][0]["fid"] == result["best"]["activation_fid"]
    worst = told["others"][-1]
    assert (worst["key"], worst["outcome"]) == ("worst", "stopped_early")
    stopped = f"{worst['step']} steps; the search stopped it at step {worst['reached']} ·"
    assert stopped in page.text
    assert result["pack"]["hash"] in page.text
    assert "Singer " in page.text


def test_the_search_beside_needs_no_pack_of_its_own_and_may_have_lost_its_examples(
    runs: Path, tmp_path: Path, monkeypatch
) -> None:
    seen: list[tuple[Explanation, Explanation | None]] = []

    def written(shown: Explanation, beside: Explanation | None, out: Path, *_: object) -> Path:
        seen.append((shown, beside))
        return out

    monkeypatch.setattr("tune_am.report.write.write_report", written)
    for name in ("most", "least"):
        shutil.copytree(runs / name, tmp_path / name)
    result = json.loads((tmp_path / "least" / "result.json").read_text())
    result["pack"]["path"] = str(tmp_path / "moved")
    (tmp_path / "least" / "result.json").write_text(json.dumps(result))
    assert main([str(tmp_path / "most")]) == 0
    shown, beside = seen.pop()
    assert beside is not None
    assert (beside.plan.direction, beside.best.key) == ("min", "opposite-best")
    assert beside.pack is shown.pack
    shutil.rmtree(tmp_path / "least" / "trials")
    (tmp_path / "least" / "best.safetensors").unlink()
    assert main([str(tmp_path / "most")]) == 0
    assert seen.pop()[1] is None


@pytest.mark.parametrize(("asked", "count"), [((), 4), (("--examples", "6"), 6)])
def test_a_comparison_has_as_many_examples_as_asked_for(
    asked: tuple[str, ...], count: int, runs: Path, tmp_path: Path, monkeypatch
) -> None:
    seen: list[list[Side]] = []

    def written(columns: list[Side], out: Path, *_: object) -> Path:
        seen.append(columns)
        return out

    monkeypatch.setattr("tune_am.report.write.write_comparison", written)
    paths = [str(runs / name) for name in ("most", "least")]
    assert main(["--compare", *paths, "--out", str(tmp_path / "out"), *asked]) == 0
    assert [len(side.shown.best) for side in seen.pop()] == [count, count]


def test_the_page_fetches_nothing_and_is_small(explained: Path) -> None:
    out = explained
    page = Page(out / "report.html")
    assert (out / "report.html").stat().st_size < 8e6
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert not re.search(r"url\((?!\"data:)|@import|https?://(?!www\.w3\.org/2000/svg)", page.text)
    sounds = [source for source in page.sources if source.startswith("data:audio/flac")]
    assert sounds
    first = (out / "sounds" / "best-01.flac").read_bytes()
    assert base64.b64decode(sounds[0].partition(",")[2]) == first


def test_given_settings_are_explained(shown_pack: Path, tmp_path: Path) -> None:
    """A neuron whose name tries to break out of the page, and of matplotlib's formulas."""
    neuron = next(
        alias
        for alias in json.loads((shown_pack / "pack.json").read_text())["neurons"]
        if alias.startswith("<")
    )
    out = tmp_path / "out"
    asked = ["--neuron", neuron, "--pack", str(shown_pack), "--direction", "min", "--out", str(out)]
    assert main([*asked, "--lr", "0.2", "--l2", "0", "--steps", "4", "--examples", "3"]) == 0
    page = Page(out / "report.html")
    assert page.headings == ["Examples", "Controls", "Reproduce it", "Limits"]
    assert "<img src=x" not in page.text
    assert page.tags.count("script") == 2
    assert page.data["charts"][""]["neuron"] == neuron
    told = json.loads((out / "explain.json").read_text())
    assert (told["unit"], told["direction"], told["best"]["step"]) == ("fc8:1", "min", 4)
    assert told["best"]["settings"]["lr"] == 0.2
    assert not (out / "figures" / "search.png").exists()


def test_a_pack_without_excerpts_says_so(tiny_pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ["--neuron", "vocal", "--pack", str(tiny_pack), "--out", str(out), "--steps", "1"]
    assert main([*asked, "--examples", "2"]) == 0
    text = (out / "report.html").read_text()
    assert text.count("The pack holds no real excerpts that may be shown.") == 1
    assert not list((out / "sounds").glob("real-*"))


def test_runs_are_compared(compared: Path) -> None:
    page = Page(compared / "report.html")
    assert page.headings == ["Scores", "Examples", "Activations", "Settings", "Reproduce it"]
    assert "vocal, maximised (most)" in page.text
    assert "vocal, minimised</h3>" in page.text
    assert set(page.data["charts"]) == {"-1", "-2", "-3"}
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    told = json.loads((compared / "explain.json").read_text())
    assert [one["direction"] for one in told["compared"]] == ["max", "min", "max"]


def test_a_search_by_another_objective_that_was_stopped(
    runs: Path, shown_pack: Path, tmp_path: Path
) -> None:
    plan = Plan("vocal", "min", 8, (2, 4), 3, objective="coverage")
    run = search(Pack.load(shown_pack), plan, tmp_path / "stopped", complete=False)
    for arguments in ([run], ["--compare", run, runs / "most"]):
        out = tmp_path / f"page {len(arguments)}"
        assert main([*map(str, arguments), "--out", str(out), "--examples", "2"]) == 0
        page = Page(out / "report.html").text
        assert "an activation-FID measures" in page
        assert "squared units" not in page
    said = Page(tmp_path / "page 1" / "report.html").text
    assert "<title>What silences vocal" in said
    assert "Until it was stopped it took" in said


def test_a_search_by_several_objectives(runs: Path, tmp_path: Path) -> None:
    """A finished one, with what such a search would have written."""
    run, out = shutil.copytree(runs / "most", tmp_path / "run"), tmp_path / "page"
    found = json.loads((run / "result.json").read_text())
    rows = [found["best"], *found["runners_up"]]
    for i, row in enumerate((*rows, *found["controls"].values(), *found["trials"])):
        row |= {"kid": i / 20, "layer_fid": 1.0 + i}
    for row in rows:
        row["on_front"] = row is not rows[1]
    found["objective"] = "activation_fid,kid,layer_fid"
    (run / "result.json").write_text(json.dumps(found))
    assert main([str(run), "--out", str(out), "--examples", "2"]) == 0
    page = Page(out / "report.html")
    assert page.text.count("; on the Pareto front)") == len(rows) - 2
    assert [each["metric"] for each in page.data["score"]["others"]] == ["kid", "layer_fid"]
    drawn = page.data["front"]
    assert [point["on"] for point in drawn["points"]] == [True, False, True, True, False]
    assert [point["name"] for point in drawn["points"]][::2] == ["best", "3", "real against real"]
    assert [point["scores"][1] for point in drawn["points"]][:2] == [0.0, 0.05]
    assert not drawn["joined"]
    assert "no other is better by every objective" in page.text


def test_the_default_folder_is_in_the_run(runs: Path, tmp_path: Path, capsys) -> None:
    run = shutil.copytree(runs / "least", tmp_path / "run")
    assert main([str(run), "--examples", "2"]) == 0
    page = run / "report" / "report.html"
    assert f"Report: {page} (" in capsys.readouterr().out
    assert Page(page).headings[3] == "The search"  # no other run is beside it
    assert main([str(run), "--examples", "2"]) == 2
    assert "replace it by --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "name one of: a run folder"),
        ("{runs}/most --neuron vocal", "name one of: a run folder"),
        ("nowhere", "no run folder nowhere"),
        ("{runs}", "has no search.json"),
        ("{runs}/most --lr 0.1", "--lr goes with --neuron only"),
        ("{runs}/most --direction min", "--direction goes with --neuron only"),
        ("{runs}/most --examples 1", "--examples 1: must be from 2 to 50"),
        ("{runs}/most --examples many", "'many' is not a whole number"),
        ("{runs}/most --pack {pack}", "is not the one that"),
        ("{runs}/most --out {runs}/most", "exists and is no report"),
        ("{runs}/most --colour red", "arguments: --colour red; --help lists the options"),
        ("--compare {runs}/most", "at least two run folders"),
        ("--compare {runs}/most nowhere", "no run folder nowhere"),
        ("--compare {runs}/most {runs}/least {runs}/least/../most/", "most twice: name searches"),
        ("{runs}/most --compare {runs}/most", "name one of: a run folder, --compare with two"),
        ("--neuron drums --pack {pack}", "no neuron 'drums'"),
        ("--neuron vocal --pack nowhere", "no pack in nowhere"),
        ("--neuron vocal --pack {pack} --lr -1", "setting lr=-1.0 is not allowed"),
        ("--neuron vocal --pack {pack} --lr fast", "'fast' is not a number"),
        ("--neuron vocal --pack {pack} --steps 0", "--steps 0: must be at least 1"),
        ("--neuron vocal --pack {pack} --seed -1", "--seed -1: must be from 0"),
        ("--neuron vocal --pack {pack} --direction up", "must be one of max, min"),
        ("--neuron vocal --pack {pack} --optimizer lion", "one of adam, sgd"),
    ],
)
def test_what_the_user_can_mend(
    arguments: str,
    said: str,
    runs: Path,
    tiny_pack: Path,
    tmp_path: Path,
    monkeypatch,
    capsys,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(runs.rglob("*"))
    assert main(arguments.format(runs=runs, pack=tiny_pack).split()) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []
    assert sorted(runs.rglob("*")) == before


def test_help_and_bad_flags_load_nothing_heavy() -> None:
    code = (
        "import sys; from tune_am.explain import main\n"
        "assert main(['--steps', 'x']) == 2\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'ray', 'optuna', 'matplotlib', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--compare" in done.stdout
