"""A user's own machine file: every mistake in it is told in one sentence, with its place."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import dsl
from legion_bridge import Application, Evaluator, Machine, MachineError, machine_names
from legion_bridge.machines.flat_machine import flatten_machine

TEXT = Machine.load("p100x4").source
CPU2 = Machine.load("cpu2").source


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Machine]:
    def written(text: str) -> Machine:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return Machine.load(path)

    return written


@pytest.fixture
def complaint(read: Callable[[str], Machine]) -> Callable[[str], str]:
    def said(text: str) -> str:
        with pytest.raises(MachineError) as error:
            read(text)
        sentence = str(error.value)
        assert "\n" not in sentence
        _, _, rest = sentence.partition("mine.toml: ")
        return rest

    return said


def replaced(old: str, new: str, text: str = TEXT) -> str:
    """The text with the first ``old`` in another form."""
    assert old in text
    return text.replace(old, new, 1)


def set_to(table: str, key: str, value: str, text: str = TEXT) -> str:
    """The text with another value of a key."""
    start = text.index(table + "\n")
    head, tail = text[:start], text[start:]
    changed, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", tail, count=1)
    assert count == 1
    return head + changed


def without(table: str, text: str = TEXT) -> str:
    """The text without a table."""
    start = text.index(table + "\n")
    end = text.find("\n[", start + 1)
    return text[:start] + (text[end + 1 :] if end > 0 else "")


def test_a_copy_of_a_built_in_machine_is_that_machine(read):
    machine = read(TEXT.replace('name = "p100x4"', 'name = "mine"'))
    assert machine.name == "mine"
    assert machine.shape == Machine.load("p100x4").shape


def test_a_changed_number_changes_runs(read):
    application = Application.load("stencil")
    program = dsl.parse(application.mappers["expert"])
    slower = read(set_to("[access.GPU.FBMEM]", "bandwidth", "55e9"))
    fast = Evaluator(application, Machine.load("p100x4")).evaluate(program)
    slow = Evaluator(application, slower).evaluate(program)
    assert slow.throughput < fast.throughput / 5


@pytest.mark.parametrize("key", ["count", "start", "kernel", "fp32", "fp64", "dgemm", "cache"])
def test_a_missing_number_is_named(complaint, key):
    start = TEXT.index("[processors.GPU]")
    text = TEXT[:start] + re.sub(rf"(?m)^{key} = .*\n", "", TEXT[start:], count=1)
    assert complaint(text) == f"[processors.GPU]: {key} is missing"


@pytest.mark.parametrize("table", ["processors", "memories", "access", "links"])
def test_a_missing_group_of_tables_is_named(complaint, table):
    text = re.sub(rf"(?ms)^\[{table}\..*?(?=^\[(?!{table}\.))", "", TEXT)
    assert complaint(text) == f"the file: needs a table [{table}]"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (without("[runtime]"), "the file: needs a table [runtime]"),
        (TEXT.replace("[[routes]]", "[[ways]]"), "the file: 'ways' is unknown: known are "),
        (
            re.sub(r"(?ms)^\[\[routes\]\].*?(?=^\[runtime)", "", TEXT),
            "the file: needs tables [[routes]]",
        ),
        ("", "the file: needs schema = 1 at its head"),
        (TEXT.replace("schema = 1", "schema = 2"), "the file: needs schema = 1 at its head"),
        (re.sub("(?m)^name = .*$", "", TEXT, count=1), "the file: name is missing"),
        (re.sub("(?m)^name = .*$", "name = 3", TEXT, count=1), "the file: name must be a text in"),
        (re.sub("(?m)^nodes = .*$", "nodes = 0", TEXT), "the file: nodes must be at least 1, not"),
        (
            re.sub("(?m)^nodes = .*$", "nodes = 1.5", TEXT),
            "the file: nodes must be a whole number",
        ),
        (re.sub("(?m)^nodes = .*$", "nodes = 1e9", TEXT), "the file: nodes must be at most 1e+06"),
        (re.sub("(?m)^nodes = .*$", "nodes = true", TEXT), "the file: nodes must be a whole"),
    ],
)
def test_the_head_and_the_tables_are_checked(complaint, text, sentence):
    assert complaint(text).startswith(sentence)


@pytest.mark.parametrize(
    ("table", "key", "value", "sentence"),
    [
        ("[processors.GPU]", "count", "0", "count must be at least 1, not 0"),
        ("[processors.GPU]", "count", "2.5", "count must be a whole number, not 2.5"),
        ("[processors.GPU]", "count", '"4"', "count must be a whole number (4), not '4'"),
        ("[processors.GPU]", "fp64", "-1e12", "fp64 must be at least 0, not -"),
        ("[processors.GPU]", "fp64", "nan", "fp64 must be a number, operations a second"),
        ("[processors.GPU]", "dgemm", "inf", "dgemm must be a number, operations a second"),
        ("[processors.GPU]", "dgemm", "4.6", "dgemm is in operations a second (4 GFLOP/s is 4e9)"),
        ("[processors.GPU]", "start", "15", "start is in seconds (12 microseconds are 12e-6): 15"),
        ("[memories.FBMEM]", "capacity", "16", "capacity is in bytes (16 GB is 16e9): 16 cannot"),
        ("[memories.FBMEM]", "capacity", '"16 GB"', "capacity must be a number, bytes (16 GB is"),
        ("[memories.FBMEM]", "scope", '"GPPU"', "scope 'GPPU' is unknown: did you mean GPU?"),
        ("[memories.FBMEM]", "scope", "7", "scope must be a text in quotes, not 7"),
        ("[memories.FBMEM]", "scope", '"node"', "scope 'node' is unknown: known are rank, CPU"),
        ("[access.GPU.ZCMEM]", "bandwidth", "11", "bandwidth is in bytes a second (12 GB/s is"),
        ("[access.GPU.ZCMEM]", "links", '"pcie_in"', 'links must be a list such as ["a", "b"]'),
        ("[access.GPU.ZCMEM]", "links", '["pcie_im"]', "link 'pcie_im' is unknown: did you mean"),
        ("[links.nic_in]", "scope", '"network"', "scope 'network' is unknown: known are rank"),
        ("[links.nic_in]", "bandwidth", "[1]", "bandwidth must be a number, bytes a second"),
        ("[runtime]", "launch", "20", "launch is in seconds"),
        ("[runtime]", "untraced", "-4", "untraced must be at least 0, not -4"),
    ],
)
def test_numbers_and_words_are_checked(complaint, table, key, value, sentence):
    assert complaint(set_to(table, key, value)).startswith(f"{table}: {sentence}")


H100 = Machine.load("h100x8").source


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("bf16", "-1", "bf16 must be at least 0, not -1"),
        ("bf16", "989", "bf16 is in operations a second (4 GFLOP/s is 4e9): 989 cannot be meant"),
        ("shares", "0.8", "shares must be a list of sides and shares such as [[256, 0.4], [4096"),
        ("shares", "[[256]]", "shares must be a list of sides and shares such as"),
        ("shares", "[[0, 0.4]]", "shares must be a list of sides and shares such as"),
        ("shares", "[]", "shares must have shares of the peak, at most 1, and at least one"),
        ("shares", "[[256, 1.2]]", "shares must have shares of the peak, at most 1"),
        ("shares", "[[256, 0.4], [128, 0.8]]", "shares must have ascending sides, and shares"),
        ("shares", "[[256, 0.4], [512, 0.3]]", "shares must have ascending sides, and shares"),
    ],
)
def test_rates_of_products_are_checked(complaint, key, value, sentence):
    changed = set_to("[processors.GPU.products]", key, value, H100)
    assert complaint(changed).startswith(f"[processors.GPU.products]: {sentence}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            replaced("bf16 =", "bf17 =", H100),
            "[processors.GPU.products]: 'bf17' is unknown: did you mean bf16? known are fp8",
        ),
        (
            re.sub("(?m)^(fp8|fp16|bf16|tf32) = .*\n", "", H100),
            "[processors.GPU.products]: needs a rate of at least one of fp8, fp16, bf16, tf32",
        ),
        (
            set_to("[runtime]", "collective", '"ncl"', H100),
            "[runtime]: collective 'ncl' is unknown: did you mean nccl? known are legion",
        ),
        (set_to("[runtime]", "collective", "true", H100), "[runtime]: collective must be a text"),
        (
            set_to("[runtime]", "collective", '"nccl"', TEXT.rstrip() + '\ncollective = "legion"'),
            '[runtime]: collective = "nccl" needs an algorithm for all operations: add a table',
        ),
        (
            replaced('kind = "ring"', 'kind = "star"', H100),
            "[[algorithms]] number 1: kind 'star' is unknown: did you mean tree?",
        ),
        (
            replaced("share = 0.25", "share = 1.25", H100),
            "[[algorithms]] number 1: share is of the links' bandwidth, up to 1, and not 1.25",
        ),
        (
            replaced("hop = 0.47e-6", "hop = 47", H100),
            "[[algorithms]] number 1: hop is in seconds",
        ),
    ],
)
def test_products_and_collectives_that_are_not_there_are_named(complaint, text, sentence):
    assert complaint(text).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            TEXT.replace("[processors.OMP]", "[processors.OPENMP]"),
            "[processors]: 'OPENMP' is unknown: did you mean OMP? known are CPU, GPU",
        ),
        (
            TEXT.replace("[memories.ZCMEM]", "[memories.ZC]"),
            "[memories]: 'ZC' is unknown: did you mean ZCMEM? known are SYSMEM",
        ),
        (
            replaced("fp32 =", "fp23 ="),
            "[processors.CPU]: 'fp23' is unknown: did you mean fp32? known are ",
        ),
        (
            TEXT.replace("[access.GPU.ZCMEM]", "[access.GPU.SOCKMEM]"),
            "[access.GPU.SOCKMEM]: memory 'SOCKMEM' is unknown: did you mean ZCMEM?",
        ),
        (
            TEXT.replace("[access.OMP.", "[access.PY."),
            "[access.PY.SYSMEM]: processor 'PY' is unknown: known are CPU, OMP, GPU",
        ),
        (
            TEXT.replace("[access.CPU.RDMEM]", "[access.CPU.FBMEM]"),
            "[access.CPU.FBMEM]: each FBMEM belongs to a GPU, which alone can see it",
        ),
        (
            without("[access.OMP.RDMEM]", without("[access.CPU.RDMEM]")),
            "[memories.RDMEM]: no processor sees it: add a table such as [access.CPU.RDMEM], or",
        ),
        (
            without("[access.GPU.FBMEM]", without("[access.GPU.ZCMEM]")),
            "[processors.GPU]: sees no memory: add a table such as [access.GPU.SYSMEM]",
        ),
        (
            set_to("[access.CPU.SYSMEM]", "update", '15e-9\nlinks = ["pcie_in"]'),
            "[access.CPU.SYSMEM]: link 'pcie_in' is one of a GPU, not of CPU",
        ),
        ("access = 3\nlinks = 3\nschema = 1\n", "the file: name is missing"),
        (
            re.sub(r"(?ms)^\[access\..*?(?=^# Links)", "[access]\nGPU = 3\n", TEXT),
            "[access]: needs tables such as [access.GPU.SYSMEM]",
        ),
        (
            replaced("[processors.OMP]", "[processors]\nPY = 3\n[processors.OMP]"),
            "[processors.PY]: must be a table, not 3",
        ),
    ],
)
def test_kinds_and_who_sees_what_are_checked(complaint, text, sentence):
    assert complaint(text).startswith(sentence)


FIRST = '[[routes]]\nfrom = "FBMEM"\nto = "FBMEM"\nwhere = "memory"\nlinks = ["source.fb"]\n'
STREAM = 'chunk = 16e6\nstream = 1e9\nstream_links = ["source.{}"]\n'


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (FIRST.replace("memory", "memmory"), "where 'memmory' is unknown: did you mean memory?"),
        (FIRST.replace('from = "FBMEM"\n', ""), "from is missing"),
        (FIRST.replace("from", "sauce"), "'sauce' is unknown: known are from, to, where, links, "),
        (FIRST.replace('to = "FBMEM"', 'to = "FB"'), "memory 'FB' is unknown: did you mean"),
        (
            FIRST.replace('"source.fb"', '"fb"'),
            "link 'fb' must say whose it is: source.fb or target.fb",
        ),
        (FIRST + "chunk = 16e6\n", "needs chunk, stream and stream_links together, or none"),
        (FIRST + "split_stream = 2e9\n", "needs stream where it has split_stream"),
        (FIRST + STREAM.format("port"), "link 'port' is unknown: did you mean"),
        (FIRST.replace('"source.fb"', '"middle.fb"'), "link 'middle.fb' must say whose it is"),
        (
            FIRST.replace('"source.fb"', '"source.fbb"'),
            "link 'fbb' is unknown: did you mean fb?",
        ),
        (FIRST.replace('"source.fb"', ""), "must name from 1 to "),
        (FIRST.replace('["source.fb"]', str(["source.fb"] * 12)), "must name from 1 to "),
        (FIRST.replace('["source.fb"]', "3"), "links must be a list such as"),
    ],
)
def test_routes_are_checked(complaint, new, sentence):
    assert complaint(replaced(FIRST, new)).startswith(f"[[routes]] number 1: {sentence}")


def test_a_route_given_twice_is_told_with_the_other(complaint):
    twice = FIRST + "latency = 8e-6\n" + FIRST
    said = complaint(replaced(FIRST, twice))
    assert said == "[[routes]] number 2: repeats number 1: leave one of the two out"


@pytest.mark.parametrize("where", ["memory", "rank", "node", "network"])
def test_memories_that_no_route_joins_are_named(complaint, where):
    text = re.sub(rf'(?ms)^\[\[routes\]\]\nfrom = "\*"\nto = "\*"\nwhere = "{where}".*?(?=^\[|^#)',
                  "", CPU2)  # fmt: skip
    assert complaint(text).startswith(
        f"the file: copies from SYSMEM to SYSMEM find no way by {where}"
    )


def test_a_route_over_a_link_that_an_end_lacks_is_told(complaint):
    last = 'to = "*"\nwhere = "memory"\nlinks = '
    said = complaint(replaced(last + '["source.host"]', last + '["source.pcie_out"]'))
    assert "is a link of a GPU, and SYSMEM is no memory of one: add a route for them" in said


@pytest.mark.parametrize(
    "text",
    ["nodes = ", "[processors.GPU", 'name = "a"\nname = "b"\n', "[runtime]\n[runtime]\n", "= 3"],
)
def test_what_is_not_toml_is_told_with_its_line(complaint, text):
    said = complaint(text)
    assert said.startswith("not TOML: ")
    assert re.search(r"line \d+, column \d+|end of document", said)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(MachineError, match=r"absent.toml: no such file or directory"):
        Machine.load(tmp_path / "absent.toml")
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(MachineError, match=r"folder.toml: is a directory"):
        Machine.load(folder)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MachineError, match=r"binary.toml: not a text file in UTF-8"):
        Machine.load(binary)


def test_a_file_of_another_name_is_told_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text(TEXT)
    with pytest.raises(MachineError, match=r"machine file mine: its name must end in \.toml"):
        Machine.load("mine")


def test_an_unknown_machine_is_told_the_nearest():
    with pytest.raises(MachineError, match=r"did you mean lassen\? known are a100x8, "):
        Machine.load("lasen")


VALUES = ("0", "-1", "1e9", "nan", '"GPU"', '"rank"', "[]", '["source.host"]', "{}", "true", '"*"')


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_done_to_a_file_it_is_a_machine_or_told(tmp_path, seed):
    rng, path = random.Random(seed), tmp_path / "mine.toml"
    sound, told = 0, []
    for _ in range(100):
        lines = rng.choice((TEXT, CPU2)).splitlines()
        place = rng.randrange(len(lines))
        action = rng.choice(("drop", "repeat", "set", "set", "move"))
        if action == "drop":
            del lines[place]
        elif action == "repeat":
            lines.insert(place, rng.choice(lines))
        elif action == "set" and "=" in lines[place]:
            lines[place] = f"{lines[place].split('=')[0]}= {rng.choice(VALUES)}"
        else:
            lines.insert(rng.randrange(len(lines)), lines.pop(place))
        path.write_text("\n".join(lines))
        try:
            flatten_machine(Machine.load(path))
            sound += 1
        except MachineError as error:
            told.append(str(error))
    assert sound
    assert told
    assert all(s.startswith(f"{path}: ") and "\n" not in s for s in told)


def test_every_number_of_a_built_in_machine_has_its_source_or_says_that_it_is_a_guess():
    for name in machine_names():
        text = Machine.load(name).source
        assert "[guess]" in text.partition("schema")[0]
        for number, line in enumerate(text.splitlines(), start=1):
            if re.match(r"(fp32|bf16|bandwidth|capacity|launch|point|untraced|nvlink)\b", line):
                place = f"{name}.toml:{number}: {line}"
                assert "#" in line or _same_as_above(text, number), place


def _same_as_above(text: str, number: int) -> bool:
    """A line without a mark repeats a key that has one in a table of the same group."""
    key = text.splitlines()[number - 1].split(" = ")[0]
    before = "\n".join(text.splitlines()[: number - 1])
    return re.search(rf"(?m)^{key} = .*#", before) is not None
