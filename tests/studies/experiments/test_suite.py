"""Files of suites: what is read, and what is told of wrong ones."""

from __future__ import annotations

import pytest

from studies.errors import UsageError
from studies.experiments.suite import SUITES, load_suite

GOOD = """\
summary = "Two cases."
arms = ["guided", "random"]
seeds = 2
trials = 3

[[case]]
application = "circuit"
nodes = 2
parameters = { wires = 1000 }
best_known = "fast.mapper"
found_by = "by hand"

[[case]]
application = "stencil"
machine = "lassen"

[reported.circuit]
mean = 1.33
"""


@pytest.fixture
def write(tmp_path):
    def run(text):
        (tmp_path / "fast.mapper").write_text("Task * GPU;\n")
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return run


def test_a_file_gives_cases_arms_seeds_and_budget(write):
    suite = load_suite(write(GOOD))
    assert (suite.name, suite.arms, suite.seeds, suite.trials) == (
        "mine",
        ("guided", "random"),
        (0, 1),
        3,
    )
    first, second = suite.cases
    assert first.case.name == "circuit-wires=1000-p100x4-2nodes"
    assert first.best_known == "Task * GPU;\n"
    assert second.case.machine == "lassen"
    assert suite.reported["circuit"] == {"mean": 1.33}
    assert suite.of_cases(["stencil"]) == (second,)
    assert suite.of_cases([first.case.name]) == (first,)
    with pytest.raises(UsageError, match="has no case 'pennant'"):
        suite.of_cases(["pennant"])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seeds = 2", "seeds = 0", '"seeds" is a whole number from 1'),
        ("seeds = 2", "seeds = true", '"seeds" is a whole number'),
        ("trials = 3", "trials = 1e3", '"trials" is a whole number'),
        ("nodes = 2", "nodes = -2", '"nodes" is a whole number'),
        ("nodes = 2", "node = 2", "did you mean 'nodes'"),
        ('application = "circuit"', "", 'case 1 needs an "application"'),
        ("wires = 1000", "wires = [1]", '"parameters" of case 1'),
        ("fast.mapper", "slow.mapper", '"best_known" of case 1 cannot be read'),
        ("mean = 1.33", 'mean = "x"', '"reported" has a table of numbers'),
        ('["guided", "random"]', '"guided"', '"arms" is a list'),
        ("[[case]]", "[[cases]]", "did you mean 'case'"),
        ("summary", "= summary", "is no TOML"),
        ('application = "stencil"\nmachine = "lassen"', GOOD.split("[[case]]\n")[1], "twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_place(write, old, new, sentence):
    assert old in GOOD
    with pytest.raises(UsageError, match=r"mine\.toml") as told:
        load_suite(write(GOOD.replace(old, new)))
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


def test_a_suite_says_where_its_studies_start_and_has_a_page_beside_it(write, tmp_path):
    assert (load_suite(write(GOOD)).start, load_suite(write(GOOD)).page) == ("default", "")
    (tmp_path / "mine.md").write_text("# Mine\n")
    suite = load_suite(write('start = "none"\n' + GOOD))
    assert (suite.start, suite.page) == ("none", "# Mine\n")
    suite = load_suite(write('start = "fast.mapper"\n' + GOOD))
    assert suite.start == str(tmp_path / "fast.mapper")


def test_unknown_suites_and_missing_files_are_told():
    with pytest.raises(UsageError, match="there are paper"):
        load_suite("papre")
    with pytest.raises(UsageError, match="cannot read"):
        load_suite("none.toml")


@pytest.mark.parametrize("name", SUITES)
def test_suites_that_come_along_can_be_read(name):
    suite = load_suite(name)
    assert len(suite.cases) >= 9
    assert suite.summary
