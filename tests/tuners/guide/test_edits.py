"""Changes of a mapper's text."""

from __future__ import annotations

import pytest

import dsl
from tuners.guide.edits import apply_change

TEXT = """\
# mapper of nothing: a head that stays
Task a GPU;   # beside
Task b, c CPU;
Region a r * ZCMEM;
m = Machine(GPU);

# Where it runs.
def f(Task t) { return m[0, 0]; }
IndexTaskMap a f;
InstanceLimit a 2;
"""


def test_a_statement_is_replaced_where_it_stands():
    changed = apply_change(TEXT, "Region a r * FBMEM;")
    assert changed == TEXT.replace("ZCMEM", "FBMEM")


def test_a_list_keeps_its_other_tasks():
    changed = apply_change(TEXT, "Task b GPU;")
    assert "Task b GPU;\nTask c CPU;\n" in changed
    mapper = dsl.load(dsl.parse(changed), dsl.MachineShape(nodes=1, processors={"GPU": 1}))
    assert mapper.task_kinds("b") == ("GPU",)
    assert mapper.task_kinds("c") == ("CPU",)


def test_a_new_key_comes_before_the_others_of_its_type():
    changed = apply_change(TEXT, "Region b r GPU FBMEM;")
    assert changed.index("Region b r") < changed.index("Region a r")


def test_what_goes_takes_its_line_along():
    changed = apply_change(TEXT, "", ["InstanceLimit a 2;"])
    assert changed == TEXT.replace("InstanceLimit a 2;\n", "")


def test_statements_that_are_not_there_are_passed_over():
    assert apply_change(TEXT, "", ["InstanceLimit b 2;"]) == TEXT


def test_a_map_stands_behind_its_function():
    changed = apply_change(TEXT, "def g(Task t) { return m[0, 0]; }\nIndexTaskMap a g;")
    assert changed.index("def g") < changed.index("IndexTaskMap a g")
    assert "IndexTaskMap a f" not in changed
    dsl.load(dsl.parse(changed), dsl.MachineShape(nodes=1, processors={"GPU": 1}))


def test_a_machine_stands_before_all_that_may_use_it():
    changed = apply_change("g = n.merge(0, 1);\n", "n = Machine(GPU);")
    dsl.load(dsl.parse(changed), dsl.MachineShape(nodes=1, processors={"GPU": 1}))


def test_a_definition_is_not_repeated():
    assert apply_change(TEXT, "m = Machine(GPU);") == TEXT
    assert apply_change(TEXT + "CollectMemory a *;\n", "CollectMemory a *;").count("Collect") == 1


def test_a_function_is_replaced_by_name():
    new = "def f(Task t) { return m[0 % m.size[0], 0]; }"
    old = dsl.unparse(dsl.Program(dsl.parse("def f(Task t) { return m[0, 0]; }").statements))
    changed = apply_change(TEXT, new, [old])
    assert changed.count("def f") == 1
    assert "% m.size[0]" in changed


def test_several_statements_of_one_line():
    changed = apply_change("Task a CPU; Task b CPU; Task c CPU;", "Task b GPU;")
    assert changed == "Task a CPU; Task b GPU; Task c CPU;"


def test_a_text_that_does_not_parse_is_changed_by_its_stretch():
    assert apply_change("Task a GPU", "Task a GPU;", ["Task a GPU"]) == "Task a GPU;"
    with pytest.raises(dsl.MapperSyntaxError):
        apply_change("Task a GPU", "Task a GPU;", ["Task b"])
