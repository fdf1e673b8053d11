"""Reports as pages and as tables, judged without a browser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import time

import pytest

from studies.cli import main
from studies.report import read_contents, write_csv, write_page, write_parquet
from studies.report.charts import best_figure, outcome_figure, valid_figure
from studies.report.curves import MOST_POINTS, best_curve, valid_curve
from studies.report.page import page_of
from studies.report.trial_rows import COLUMNS
from tests.studies.report.reported_studies import contents, model_trial, record, study
from tuners.llm.settings import ModelSettings

SECTIONS = ("table", "curves", "mappers", "failures", "settings")


def without_scripts(page):
    """The page without what a browser runs, of which some megabytes are the library."""
    return re.sub(r"<script>.*?</script>", "<script></script>", page, flags=re.DOTALL)


def rows_of(file):
    return list(csv.DictReader(io.StringIO(file.read_text(), newline="")))


def figures_of(page):
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page)
    return json.loads(found[1])


def ids_of(page):
    return re.findall(r'\bid="([^"]*)"', without_scripts(page))


# The page


def test_a_page_is_html_with_all_its_sections(page):
    parser = pytest.importorskip("tinyhtml5.parser").HTMLParser()
    parser.parse(without_scripts(page))
    assert parser.errors == []
    ids = ids_of(page)
    assert len(ids) == len(set(ids))
    expected = {f"case{n}-{name}" for n in (1, 2) for name in SECTIONS}
    assert expected | {"compared", "versions", "case1-timelines"} <= set(ids)
    assert set(figures_of(page)) <= set(ids)


def test_a_page_needs_nothing_else(page):
    text = without_scripts(page)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", text)
    assert "url(" not in text
    assert "@import" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;")
    assert "unsafe-eval" not in policy
    assert page.count("sha256-") == 2


def test_a_page_shows_what_compare_prints(runs, page, capsys):
    assert main(["compare", "--from", str(runs / "stencil-p100x4"), "--no-mlflow"]) == 0
    printed = capsys.readouterr().out
    for name in ("expert", "guided", "random"):
        line = next(line for line in printed.splitlines() if line.strip().startswith(f"{name} "))
        for cell in re.split(r"\s{2,}", line.strip()):
            assert f">{cell}<" in page
    assert f"mappertune report {runs}" in printed


def test_equal_studies_make_equal_pages(runs, page, tmp_path):
    again = tmp_path / "again.html"
    assert main(["report", str(runs), "--output", str(again)]) == 0
    assert again.read_text() == page


def test_figures_are_what_plotly_takes(page):
    figures = figures_of(page)
    assert {"case1-by-trials", "case1-by-seconds", "case1-valid", "case1-outcomes"} <= set(figures)
    graphs = pytest.importorskip("plotly.graph_objects")
    for figure in figures.values():
        graphs.Figure(figure)  # refuses what its schema does not have


def test_the_best_mapper_stands_beside_the_expert(page):
    assert "best mapper (guided, seed 0)" in page
    assert "expert mapper" in page
    assert re.search(r"badge (gain|loss|needed)", page)


def test_a_single_study_has_a_page(runs, tmp_path, capsys):
    journal = runs / "circuit-p100x4" / "random-seed0.journal"
    assert main(["report", str(journal), "--output", str(tmp_path / "one.html"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["studies"], told["cases"]) == (1, ["circuit-p100x4"])
    text = (tmp_path / "one.html").read_text()
    assert "one seed has none" in text
    assert all(t["meta"]["role"] != "band" for t in figures_of(text)["case1-by-trials"]["data"])


def test_reading_changes_nothing_and_waits_for_nobody(runs, tmp_path):
    """A folder that cannot be written, of studies that somebody runs."""
    copy = tmp_path / "copy"
    shutil.copytree(runs / "circuit-p100x4", copy)
    from studies.journal import FileLock

    journal = copy / "random-seed0.journal"
    with journal.open("ab") as file:
        file.write(b'{"n":99,"stud')  # what a writer has not finished yet
    before = {file: file.read_bytes() for file in copy.iterdir() if file.suffix != ".lock"}
    lock = FileLock(journal)
    assert lock.try_acquire()
    try:
        found = read_contents([str(copy)])
    finally:
        lock.release()
    assert sum(len(result.records) for result in found.cases[0].results) == 5
    assert before == {f: f.read_bytes() for f in copy.iterdir() if f.suffix != ".lock"}


def test_a_template_of_ones_own_is_read(tmp_path, capsys):
    template = tmp_path / "my.template"
    template.write_text("Task * GPU,CPU;\nRegion * * GPU ${m: FBMEM | ZCMEM};\n")
    words = ["tune", "circuit", "--tuner", "random", "--trials", "2", "--no-mlflow", "--quiet"]
    runs = tmp_path / "runs"
    assert main([*words, "--output", str(runs), "--template", str(template)]) == 0
    template.unlink()
    capsys.readouterr()
    assert main(["report", str(runs), "--csv", str(tmp_path / "trials.csv"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["page"] == str(runs / "report.html")
    assert len(rows_of(tmp_path / "trials.csv")) == 2
    text = (runs / "report.html").read_text()
    assert "Region rp_shared FBMEM" in text
    assert "template is another one" not in text


# What is wrong


def test_a_damaged_journal_is_told_and_the_others_are_shown(runs, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(runs / "stencil-p100x4", copy)
    journal = copy / "guided-seed1.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], b'{"n":4,"study":NaN}\n', *lines[5:]]))
    assert main(["report", str(copy)]) == 1
    assert "guided-seed1.journal is damaged in line 5" in capsys.readouterr().err
    text = (copy / "report.html").read_text()
    assert 'id="unread"' in text
    assert f"{journal} is damaged in line 5" in text
    for each in copy.glob("*.journal"):
        each.write_bytes(b"no journal\n")
    assert main(["report", str(copy)]) == 1
    assert "can be read" in capsys.readouterr().err


def test_notes_that_make_no_sense_are_told(runs, tmp_path, capsys):
    from studies.journal_records import read_line, write_line

    copy = tmp_path / "copy"
    shutil.copytree(runs / "stencil-p100x4", copy)
    journal = copy / "guided-seed0.journal"
    records = [read_line(line)[1] for line in journal.read_bytes().splitlines(keepends=True)]
    for each in records:
        if each.get("note") == "mappertune:identity":
            each["value"] = {"application": 7}
    journal.write_bytes(b"".join(write_line(n, each) for n, each in enumerate(records)))
    assert main(["report", str(copy)]) == 1
    assert f"{journal} is left out: its notes are impossible" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["", "missing"])
def test_a_place_without_studies_is_refused(tmp_path, capsys, place):
    assert main(["report", str(tmp_path / place)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("option", ["--output", "--csv", "--parquet"])
def test_what_cannot_be_written_is_told_before_the_work(runs, tmp_path, capsys, option):
    assert main(["report", str(runs), option, str(tmp_path)]) == 1
    assert f"cannot write {tmp_path}: it is a folder" in capsys.readouterr().err


def test_what_is_missing_is_told_and_loses_no_table(runs, tmp_path, capsys, monkeypatch):
    from studies.report import page

    monkeypatch.setitem(page.LIBRARIES, "no_such_library", "no-such-library")
    table = tmp_path / "trials.csv"
    assert main(["report", str(runs), "--csv", str(table), "--output", str(tmp_path / "p")]) == 2
    assert "pip install 'mappertune[report]'" in capsys.readouterr().err
    assert table.exists()
    # A comparison is not run in vain.
    assert main(["compare", "stencil", "--report", str(tmp_path / "p"), "--no-mlflow"]) == 2
    assert not (tmp_path / "mappertune-runs").exists()


def test_compare_writes_the_page_itself(runs, tmp_path, capsys):
    file = tmp_path / "of-compare.html"
    words = ["compare", "--from", str(runs / "stencil-p100x4"), "--no-mlflow"]
    assert main([*words, "--report", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert "stencil-p100x4" in file.read_text()


def test_a_page_that_cannot_be_written_costs_no_table(runs, tmp_path, capsys, monkeypatch):
    from studies.errors import StorageError

    def fail(*_):
        raise StorageError("cannot write: no space left on device")

    monkeypatch.setattr("studies.report.write_page", fail)
    words = ["compare", "--from", str(runs / "stencil-p100x4"), "--no-mlflow"]
    assert main([*words, "--report", str(tmp_path / "p.html")]) == 1
    told = capsys.readouterr()
    assert "95 % interval" in told.out
    assert "no space left" in told.err


# What nobody may smuggle in

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--"


def hostile_contents():
    llm = ModelSettings(model=f"m{HOSTILE}")
    records = [
        model_trial(0, 0.0, 5, raw=HOSTILE, why=HOSTILE, message=HOSTILE, proposer=HOSTILE),
        model_trial(1, 2.0, 5, text=f"# {HOSTILE}\nTask * GPU;\x1b[2J\n"),
    ]
    made = study(
        f"llm{HOSTILE}", 0, records, case=f"c{HOSTILE}", location=HOSTILE, llm=llm,
        application=HOSTILE, machine=HOSTILE, start=HOSTILE, parameters={HOSTILE: HOSTILE},
    )  # fmt: skip
    return contents([made], unread=[HOSTILE])


def test_texts_of_others_stay_texts():
    html5 = pytest.importorskip("tinyhtml5")
    page = page_of(hostile_contents())
    text = without_scripts(page)
    assert "<img" not in text
    assert "alert(1)</script>" not in text
    assert "\x1b" not in text
    tree = html5.parse(text, namespace_html_elements=False)
    assert len(list(tree.iter("script"))) == 3  # the data, the library, and what draws
    assert not list(tree.iter("img"))
    # Plotly takes some markup in its texts.
    drawn = json.dumps(figures_of(page))
    assert "<" not in drawn.replace("<extra></extra>", "").replace("<br>", "")


def test_a_spreadsheet_finds_no_formula(tmp_path):
    made = study("=cmd|'/c calc'!A1", 0, [record(0, 1.0), record(1, 0.0, raw="@SUM(A1)")])
    file = tmp_path / "trials.csv"
    assert write_csv(contents([made]), file) == 2
    rows = rows_of(file)
    assert {row["tuner"] for row in rows} == {"'=cmd|'/c calc'!A1"}
    assert rows[1]["error"] == "'@SUM(A1)"


def test_what_cannot_be_printed_is_written_otherwise(tmp_path):
    """Names of files need not be text."""
    failed = record(1, 0.0, raw="\x1b[2J\nbad")
    made = contents([study("a", 0, [record(0, 1.0), failed], location="runs/\udcff.journal")])
    write_csv(made, tmp_path / "t.csv")
    write_parquet(made, tmp_path / "t.parquet")
    write_page(made, tmp_path / "p.html")
    written = (tmp_path / "t.csv").read_text("utf-8") + (tmp_path / "p.html").read_text("utf-8")
    assert "\x1b" not in written


def test_secrets_are_hidden(monkeypatch, tmp_path):
    from tuners.redaction import process_redactor

    monkeypatch.setenv("SOME_API_KEY", "cAnArY-4711-xyz")
    process_redactor.cache_clear()
    try:
        said = "401: wrong key cAnArY-4711-xyz at https://me:cAnArY-4711-xyz@host/?key=cAnArY-4711-xyz"
        records = [
            model_trial(0, 0.0, 5, raw=said, why=said, message=said),
            model_trial(1, 2.0, 5, text="# cAnArY-4711-xyz\nTask * GPU;\n"),
        ]
        llm = ModelSettings(model="openai/cAnArY-4711-xyz")
        made = contents([study("llm", 0, records, llm=llm)], unread=[said])
        file = tmp_path / "trials.csv"
        write_csv(made, file)
        assert "cAnArY" not in page_of(made)
        assert "cAnArY" not in file.read_text()
    finally:
        process_redactor.cache_clear()


# Arms that are not what their names say


def test_an_arm_of_its_fallback_is_marked():
    llm = ModelSettings(model="m")
    fallen = [model_trial(n, 2.0, 5, proposer="tpe", why="timeout") for n in range(4)]
    asked = [model_trial(n, 3.0, 5) for n in range(4)]
    made = contents([study("llm-iid", 0, fallen, llm=llm), study("llm-opro", 0, asked, llm=llm)])
    figures = figures_of(page := page_of(made))
    lines = {each["name"]: each for each in figures["case1-by-trials"]["data"]}
    assert lines["llm-iid *"]["line"]["dash"] == "dot"
    assert lines["llm-opro"]["line"]["dash"] == "solid"
    assert {"llm-iid *", "llm-opro"} == set(figures["case1-outcomes"]["data"][0]["y"])
    assert page.count('<th scope="row">llm-iid *</th>') == 5  # in each table
    assert "its fallback's rather than the model's" in page


# Curves


def result_of(*studies):
    return list(contents(list(studies)).cases[0].results)


def test_a_curve_is_the_mean_of_the_seeds_at_their_steps():
    arm = result_of(
        study("a", 0, [record(n, v) for n, v in enumerate([0.0, 4.0, 2.0, 4.0])]),
        study("a", 1, [record(n, v) for n, v in enumerate([2.0, 1.0, 2.0, 8.0])]),
    )
    curve = best_curve(arm, "trials")
    assert curve.at == (1, 2, 4)
    assert curve.mean == (1.0, 3.0, 6.0)
    assert (curve.low, curve.high) == ((0.0, 2.0, 4.0), (2.0, 4.0, 8.0))
    assert best_curve(arm, "seconds").at == (1.0, 2.0, 4.0)  # pauses do not count
    assert [best_curve(arm, cost) for cost in ("calls", "tokens", "money")] == [None] * 3
    valid = valid_curve(arm)
    assert valid.mean == pytest.approx([0.5, 0.75, 5 / 6, 7 / 8])


def test_what_a_model_costs_is_a_scale_where_it_is_known():
    known = result_of(study("a", 0, [model_trial(0, 1.0, 10), model_trial(1, 2.0, 30)]))
    assert best_curve(known, "tokens").at == (10, 40)
    assert best_curve(known, "money").at == (0.5, 1.0)
    unknown = result_of(study("a", 0, [model_trial(0, 1.0, 10, cost=None)]))
    assert best_curve(unknown, "calls").at == (1,)
    assert best_curve(unknown, "money") is None


def test_no_valid_mapper_makes_no_curve_and_a_page_all_the_same():
    made = contents([study("a", 0, [record(n, 0.0) for n in range(3)])])
    assert best_figure(made.cases[0], "trials") is None
    assert valid_figure(made.cases[0]) is None
    assert outcome_figure(made.cases[0])["data"][0]["name"] == "data does not fit"
    page = page_of(made)
    assert "No trial found a valid mapper." in page
    assert "data does not fit" in page


def test_ten_thousand_trials_of_fifty_arms_stay_small():
    """Each trial is a step, which is the worst that there can be."""
    steps = [record(n, n + 1.0) for n in range(10_000)]
    arms = [study("long", 0, steps)]
    arms += [study(f"arm{n}", s, steps[:100]) for n in range(49) for s in range(2)]
    begin = time.process_time()
    made = contents(arms)
    page = page_of(made)
    assert time.process_time() - begin < 10
    assert len(page) < 8_000_000
    data = figures_of(page)["case1-by-trials"]["data"]
    assert max(len(trace["x"]) for trace in data) <= MOST_POINTS + 2
    assert data[-1]["x"][-1] == 10_000 or any(t["x"][-1] == 10_000 for t in data)
    named = [t["name"] for t in data if t.get("showlegend", True)]
    assert len(named) <= 15
    assert "38 more" in named
    assert "1176 other pairs" in page or "pairs are not told apart" in page


# Studies of programs that were run


def test_studies_of_real_runs_stand_beside_what_they_began_with(tmp_path):
    records = [
        record(0, 2.0, proposer="start", samples=(1.9, 2.0, 2.1)),
        record(1, 3.0, samples=(2.9, 3.0, 3.1)),
    ]
    case = "circuit-real-0a1b2c3d-4e5f6a7b"
    made = contents([study("guided", 0, records, case=case, application="circuit")])
    comparison = made.cases[0].comparison
    assert (comparison.reference, comparison.reference_throughput) == ("first trial", 2.0)
    page = page_of(made)
    assert "The program was run" in page
    assert "1.500" in page
    assert "Task * GPU;" in page


# Tables


def test_tables_have_a_row_a_trial(runs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    made = read_contents([str(runs)])
    count = write_csv(made, tmp_path / "t.csv")
    assert count == write_parquet(made, tmp_path / "t.parquet") == 2 * 2 * 5 + 5
    rows = rows_of(tmp_path / "t.csv")
    assert list(rows[0]) == list(COLUMNS)
    kept = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["trial"] for row in kept] == [int(row["trial"]) for row in rows]
    first = next(row for row in kept if row["tuner"] == "guided")
    assert (first["application"], first["machine"], first["seed"]) == ("stencil", "p100x4", 0)
    assert first["valid"] is True
    assert first["value"] == first["best_so_far"] > 0
    assert first["unit"] == "points/s"
    assert first["proposer"] == "start"
    assert first["mapper_digest"]
    assert all(bool(row["error_kind"]) != row["valid"] for row in kept)


def test_what_models_cost_is_in_the_table(tmp_path):
    llm = ModelSettings(model="openai/m")
    made = study("llm", 0, [model_trial(0, 1.0, 7, cost=0.25), record(1, 1.0)], llm=llm)
    write_csv(contents([made]), tmp_path / "t.csv")
    rows = rows_of(tmp_path / "t.csv")
    assert [(r["model"], r["calls"], r["tokens"], r["cost"]) for r in rows] == [
        ("openai/m", "1", "7", "0.25"),
        ("openai/m", "", "", ""),
    ]


def test_a_full_disk_leaves_the_old_table(runs, tmp_path, monkeypatch, capsys):
    file = tmp_path / "t.parquet"
    file.write_text("old")
    parquet = pytest.importorskip("pyarrow.parquet")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", fail)
    assert main(["report", str(runs), "--parquet", str(file)]) == 1
    assert "no space left on device" in capsys.readouterr().err
    assert file.read_text() == "old"
