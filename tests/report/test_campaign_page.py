from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tune_am.errors import UserError
from tune_am.explain import main
from tune_am.packs.pack import Pack
from tune_am.report import words
from tune_am.report.campaign import _example
from tune_am.report.finished import FinishedRun
from tune_am.report.write import write_campaign


def test_a_line_for_each_neuron_the_nearest_to_its_floor_first(campaign: Path) -> None:
    page = (campaign / "report" / "report.html").read_text(encoding="utf-8")
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    rows = body.split("<tr>")[1:]
    names = [re.sub("<[^>]*>", "", row[: row.index("</th>")]) for row in rows]
    assert names == ["fc8:1", "vocal", "fc8:&lt;b&gt;"]
    assert ["data:image/png" in row for row in rows] == [True, True, False]
    assert ['href="../units/vocal/report/report.html"' in row for row in rows] == [
        False,
        True,
        False,
    ]
    assert "no score" in rows[2]
    assert "2 of 3 neurons have a result" in page
    best = json.loads((campaign / "result.json").read_text())["units"][0]
    near = "2 neurons" if words.as_real(best["best"], best["controls"]) else "no neuron"
    assert f"The examples of {near} are as near to the real excerpts" in page
    assert "python -m tune_am.search" in page
    assert not re.search(r"(src|href)=\"(?!data:|#|\.\./units)", page)  # nothing is fetched


def test_it_is_made_anew_in_place_of_an_earlier_one(campaign: Path, shown_pack: Path) -> None:
    before = (campaign / "report" / "report.html").read_text(encoding="utf-8")
    run = FinishedRun.read(campaign, campaign=True)
    page = write_campaign(run, Pack.load(shown_pack), campaign / "report", overwrite=True)
    assert page == campaign / "report" / "report.html"
    assert page.read_text(encoding="utf-8") == before
    facts = json.loads((campaign / "report" / "explain.json").read_text(encoding="utf-8"))
    assert [unit["neuron"] for unit in facts["units"]] == ["vocal", "fc8:1", "fc8:<b>"]


def test_the_command_makes_it_too(campaign: Path, tmp_path: Path, capsys) -> None:
    """Later, without a report of the search, or again, once its neurons have pages of their own."""
    assert main([str(campaign), "--out", str(tmp_path / "a" / "page")]) == 0
    again = (tmp_path / "a" / "page" / "report.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"#]*units[^"]*)"', again)
    assert len(links) == 1
    assert (tmp_path / "a" / "page" / links[0]).exists()
    assert main([str(campaign)]) == 2
    assert main([str(campaign), "--overwrite", "--examples", "3"]) == 2
    assert "--examples 3: a campaign's page has one example of each" in capsys.readouterr().err
    # The command it names makes the page of a neuron.
    (typed,) = re.findall(r"<code>python -m tune_am.explain (.*)</code>", again)
    assert main([*shlex.split(typed), "--overwrite", "--examples", "2"]) == 0
    page = campaign / "units" / "fc8_1" / "report" / "report.html"
    said = page.read_text(encoding="utf-8")
    page.unlink()
    assert "all to the end" in said or "stopped early" in said


def test_a_campaign_that_was_stopped_claims_nothing(campaign: Path, tmp_path: Path) -> None:
    run = tmp_path / "stopped"
    shutil.copytree(campaign, run)
    content = json.loads((run / "result.json").read_text())
    for row in content["units"]:
        row["controls"] = {}
        if row["best"]:
            row["best"]["ci95"] = None
    (run / "result.json").write_text(json.dumps({**content, "complete": False}))
    assert main([str(run), "--overwrite"]) == 0
    page = (run / "report" / "report.html").read_text(encoding="utf-8")
    assert "It was stopped before their settings were scored again" in page
    assert "scored again on fresh starts" not in page
    assert "learnt nothing" not in page


def test_a_campaign_is_no_search_to_explain(campaign: Path) -> None:
    with pytest.raises(UserError, match="a campaign over many neurons: name the folder of one"):
        FinishedRun.read(campaign)


def test_a_picture_is_of_the_best_that_its_row_names(tmp_path):
    """A campaign that goes on after its end may be stopped with another best."""
    tensors = {"activations": torch.tensor([1.0, 3.0]), "inputs": torch.arange(4.0).view(2, 2)}
    save_file(tensors, tmp_path / "best.safetensors", metadata={"trial": "4", "step": "20"})
    most = {"direction": "max"}
    found = _example(tmp_path, {"trial": 4, "step": 20}, most)
    assert found is not None
    assert found[0].tolist() == [2.0, 3.0]
    assert found[1] == 3.0
    for other in ({"trial": 5, "step": 20}, {"trial": 4, "step": 10}, None):
        assert _example(tmp_path, other, most) is None
