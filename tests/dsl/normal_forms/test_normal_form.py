"""Equal mappers have one normal form, and it decides as they do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dsl
from dsl.limits import MAX_NESTING
from dsl.machine_shape import MEMORY_KINDS, PROCESSOR_KINDS
from tests.dsl.random_programs import random_program

TASKS = ["task_0", "task_1", "task_2", "task_3", "other"]
REGIONS = ["r", "s", "0", "1"]
LINES = {
    "Task": "Task {tasks} {kinds};",
    "Region": "Region {tasks} {region} {processor} {memories};",
    "Layout": "Layout {tasks} {region} {place} {words};",
    "InstanceLimit": "InstanceLimit {task} {limit};",
    "CollectMemory": "CollectMemory {any} {named};",
    "ControlReplicate": "ControlReplicate {task};",
    "IndexTaskMap": "IndexTaskMap {key} f{function};",
    "SingleTaskMap": "SingleTaskMap {key} f{function};",
}
FUNCTIONS = 4


def form(text: str) -> str:
    return dsl.normal_form(dsl.parse(text))


def some(choices: Any, most: int) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=most).map(",".join)


@st.composite
def policies(draw: st.DrawFn) -> list[str]:
    """Statements that say what goes where, often about the same thing."""
    tasks = ["*", *TASKS]
    words = ["SOA", "AOS", "C_order", "F_order", "Compact", "Exact", "Align==64", "Align<128"]

    def line() -> str:
        return draw(st.sampled_from(list(LINES.values()))).format(
            tasks=draw(st.just("*") | some(TASKS, 2)),
            task=draw(st.sampled_from(TASKS)),
            any=draw(st.sampled_from(tasks)),
            key=draw(st.sampled_from([*tasks, "CPU", "GPU", "OMP"]) | some(TASKS, 2)),
            kinds=draw(some(PROCESSOR_KINDS[:2], 3)),
            region=draw(st.sampled_from(["*", *REGIONS])),
            named=draw(st.sampled_from(["*", "r", "s"])),
            processor=draw(st.sampled_from(["*", "GPU", "CPU"])),
            memories=draw(some(MEMORY_KINDS, 3)),
            place=draw(st.sampled_from(["*", "FBMEM", "ZCMEM", "VIRTUAL", "GPU"])),
            words=" ".join(draw(st.lists(st.sampled_from(words), max_size=4))),
            limit=draw(st.integers(0, 3)),
            function=draw(st.integers(0, FUNCTIONS - 1)),
        )

    return [line() for _ in range(draw(st.integers(0, 12)))]


@st.composite
def mappers(draw: st.DrawFn) -> str:
    functions = random_program(draw(st.integers(0, 10**6)), FUNCTIONS)
    return functions + "\n".join(draw(policies()))


SHAPES = st.builds(
    lambda nodes, gpus, cpus: dsl.MachineShape(
        nodes=nodes, processors={"GPU": gpus, "CPU": cpus, "OMP": 1}
    ),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 3),
)
DOMAINS = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)


def decisions(program: dsl.Program, shape: dsl.MachineShape, domain: tuple[int, ...]) -> Any:
    """All that a mapper has to say, but for what follows a virtual instance."""
    try:
        mapper = dsl.load(program, shape)
    except dsl.MapperLoadError as error:
        return error.code
    found: dict[object, Any] = {}
    for task in TASKS:
        found[task, "kinds"] = tuple(dict.fromkeys(mapper.task_kinds(task)))
        found[task, "limit"] = mapper.instance_limit(task)
        found[task, "replicated"] = mapper.control_replicated(task)
        for names in (("r",), ("s", "r", "0"), ("1",), ()):
            found[task, names, "collects"] = mapper.collects(task, names)
            for kind in ("GPU", "CPU"):
                found[task, names, kind] = searched(mapper.memories(task, names, kind))
                for memory in ("FBMEM", "SYSMEM"):
                    layout = mapper.layout(task, names, memory, kind)
                    idle = layout is not None and not layout.compact
                    found[task, names, kind, memory] = (
                        (layout.soa, layout.c_order, layout.compact, layout.align)
                        if layout is not None and idle
                        else layout
                    )
        for kind in ("GPU", "CPU", "OMP"):
            found[task, kind, "index"] = answer(
                lambda k, t=task: mapped(mapper, t, k, domain), kind
            )
            found[task, kind, "single"] = answer(lambda k, t=task: alone(mapper, t, k), kind)
    return found


def searched(memories: tuple[str, ...]) -> tuple[str, ...]:
    """Memories in the order in which they are tried."""
    tried = memories[: memories.index("VIRTUAL") + 1] if "VIRTUAL" in memories else memories
    return tuple(dict.fromkeys(tried))


def mapped(mapper: dsl.Mapper, task: str, kind: str, domain: tuple[int, ...]) -> Any:
    return mapper.index_map(task, kind, domain).tolist()


def alone(mapper: dsl.Mapper, task: str, kind: str) -> Any:
    return mapper.single_map(task, kind, (0, 0), kind)


def answer(ask: Any, kind: str) -> Any:
    try:
        return ask(kind)
    except dsl.MapperEvaluationError as error:
        # Unary minus becomes a subtraction, which fails with a code of its own.
        return "type-mismatch" if error.code == "bad-negate" else error.code


@given(mappers(), SHAPES, DOMAINS)
@settings(max_examples=120, deadline=None)
def test_it_takes_the_same_decisions(
    text: str, shape: dsl.MachineShape, domain: tuple[int, ...]
) -> None:
    program = dsl.parse(text)
    normal = dsl.parse(dsl.normal_form(program))
    assert decisions(normal, shape, domain) == decisions(program, shape, domain)


@given(mappers())
@settings(max_examples=100, deadline=None)
def test_it_is_its_own_normal_form(text: str) -> None:
    once = form(text)
    assert form(once) == once


@given(st.data(), policies())
@settings(max_examples=100, deadline=None)
def test_the_order_of_statements_about_different_things_does_not_matter(
    data: st.DataObject, lines: list[str]
) -> None:
    functions = [f"def f{k}(Task t) {{ return m[{k}, t.ipoint[0] % 2]; }}" for k in range(4)]
    first = {}
    for line in lines:
        first.setdefault(dsl.unparse(dsl.parse(line)).split()[0] + line.split()[1], line)
    distinct = [line for line in first.values() if "," not in line]
    head = ["m = Machine(GPU);", *functions]
    shuffled = data.draw(st.permutations(distinct))
    assert form("\n".join([*head, *distinct])) == form("\n".join([*head, *shuffled]))


SAME = {
    "comments and spacing": ("Task a GPU;", "# all\nTask   a\n  GPU ; // of it"),
    "order": ("Task a GPU; Task b CPU;", "Task b CPU; Task a GPU;"),
    "lists": ("Task a,b GPU;", "Task b GPU; Task a GPU;"),
    "an overridden statement": ("Task a GPU;", "Task a GPU; Task a,a CPU;"),
    "a statement that a general one makes idle": ("Task * GPU;", "Task a GPU; Task * GPU;"),
    "repeated kinds": ("Task a GPU,CPU;", "Task a GPU,CPU,GPU;"),
    "repeated memories": ("Region a r * FBMEM;", "Region a r * FBMEM,FBMEM;"),
    "behind a virtual instance": ("Region a r * VIRTUAL;", "Region a r * VIRTUAL,FBMEM;"),
    "an overridden region": (
        "Region a r GPU FBMEM; Region a r * ZCMEM;",
        "Region a r GPU FBMEM; Region a r * ZCMEM; Region a,a r GPU SYSMEM;",
    ),
    "a list of tasks in Region": (
        "Region a r * FBMEM; Region b r * FBMEM;",
        "Region b,a r * FBMEM;",
    ),
    "layout words": ("Layout a r FBMEM SOA F_order;", "Layout a r FBMEM AOS F_order SOA;"),
    "Exact alone": ("Layout a r * AOS;", "Layout a r * AOS Exact;"),
    "a layout of virtual instances": ("Layout a r * AOS;", "Layout a r VIRTUAL AOS;"),
    "no limit": ("Task a GPU;", "Task a GPU; InstanceLimit a 0; InstanceLimit a 3;"),
    "collected already": (
        "CollectMemory a *; CollectMemory * r;",
        "CollectMemory a r; CollectMemory a *; CollectMemory b r; CollectMemory * r;",
    ),
    "a map of *": (
        "Task a GPU;",
        "Task a GPU; m = Machine(GPU); def f(Task t) { return m[0, 0]; } IndexTaskMap * f;",
    ),
    "what nothing uses": (
        "Task a GPU;",
        (
            'm = Machine(CPU); n = m.merge(0, 1); k = n.size[0]; print("x"); Task a GPU;'
            "def f(int i) { return i / 0; }"
        ),
    ),
    "names": (
        "m = Machine(GPU); def f(Task t) { i = t.ipoint; return m[0, i[0]]; } IndexTaskMap a f;",
        "g = Machine(GPU); def h(Task i) { t = i.ipoint; return g[0, t[0]]; } IndexTaskMap a h;",
    ),
    "a machine by two names": (
        "m = Machine(GPU); def f(Task t) { return m[0, m.size[1] - 1]; } IndexTaskMap a f;",
        (
            "m = Machine(GPU); n = m; k = Machine(GPU);"
            "def f(Task t) { return k[0, n.size[1] - 1]; } IndexTaskMap a f;"
        ),
    ),
    "one function by two names": (
        "m = Machine(GPU); def f(Task t) { return m[0, 0]; } IndexTaskMap a,b f;",
        (
            "m = Machine(GPU); def f(Task t) { return m[0, 0]; } def g(Task x) { return m[0, 0]; }"
            "IndexTaskMap b g; IndexTaskMap a f;"
        ),
    ),
    "names of comprehensions": (
        (
            "m = Machine(GPU);"
            "def f(Task t) { return m[*tuple(t.ipoint[i] for i in (0, 1))]; } IndexTaskMap a f;"
        ),
        (
            "m = Machine(GPU);"
            "def f(Task u) { return m[*tuple(u.ipoint[k] for k in (0, 1))]; } IndexTaskMap a f;"
        ),
    ),
    "recursion": (
        (
            "m = Machine(GPU); def g(int n) { return n < 1 ? 0 : g(n - 1); }"
            "def f(Task t) { return m[0, g(3)]; } IndexTaskMap a f;"
        ),
        (
            "m = Machine(GPU); def h(int k) { return k < 1 ? 0 : h(k - 1); }"
            "def f(Task t) { return m[0, h(3)]; } IndexTaskMap a f;"
        ),
    ),
    "a minus": (
        "m = Machine(GPU); def f(Task t) { return m[0, 0 - (0 - m.len)]; } IndexTaskMap a f;",
        "m = Machine(GPU); def f(Task t) { return m[0, - -m.len]; } IndexTaskMap a f;",
    ),
    "behind a return": (
        "m = Machine(GPU); def f(Task t) { return m[0, 0]; } IndexTaskMap a f;",
        (
            'm = Machine(GPU); def f(Task t) { print("here"); return m[0, 0]; x = 1; return x; }'
            "IndexTaskMap a f;"
        ),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_equal_mappers_are_one(one: str, other: str) -> None:
    assert form(one) == form(other)


DIFFERENT = {
    "kinds": ("Task a GPU,CPU;", "Task a CPU,GPU;"),
    "the first statement wins": ("Task a GPU; Task a CPU;", "Task a CPU; Task a GPU;"),
    "memories": ("Region a r GPU FBMEM;", "Region a r * FBMEM;"),
    "a constant": (
        "m = Machine(GPU); def f(Task t) { return m[0, 0]; } IndexTaskMap a f;",
        "m = Machine(GPU); def f(Task t) { return m[0, 1]; } IndexTaskMap a f;",
    ),
    "a parameter and a global": (
        (
            "m = Machine(GPU); n = 1;"
            "def g(int n) { return n; } def f(Task t) { return m[0, g(0)]; } IndexTaskMap a f;"
        ),
        (
            "m = Machine(GPU); n = 1;"
            "def g(int k) { return n; } def f(Task t) { return m[0, g(0)]; } IndexTaskMap a f;"
        ),
    ),
    "a variable that may fail": ("Task a GPU;", "x = 4 / Machine(GPU).size[1]; Task a GPU;"),
    "a second assignment of a local": (
        "m = Machine(GPU); def f(Task t) { x = 0; x = 1; return m[0, x]; } IndexTaskMap a f;",
        "m = Machine(GPU); def f(Task t) { x = 1; x = 0; return m[0, x]; } IndexTaskMap a f;",
    ),
    "a global read before a local hides it": (
        (
            "m = Machine(GPU); x = 1;"
            "def f(Task t) { y = x; x = 0; return m[0, y]; } IndexTaskMap a f;"
        ),
        (
            "m = Machine(GPU); x = 1;"
            "def f(Task t) { x = 0; y = x; return m[0, y]; } IndexTaskMap a f;"
        ),
    ),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_mappers_are_two(one: str, other: str) -> None:
    assert form(one) != form(other)


UNLOADABLE = {
    "a map before its function": "IndexTaskMap a f; def f(Task t) { return 0; }",
    "a map of a variable": "f = 1; IndexTaskMap a f;",
    "a map of a function of ints": "def f(int i) { return i; } IndexTaskMap * f;",
    "a global given twice": "x = 1; x = 2;",
    "a name used too early": "y = x; x = 1;",
    "a function that uses a later name": "def f(int i) { return x; } y = f(1); x = 1;",
    "a comprehension at top level": "x = tuple(i for i in (1, 2));",
}


@pytest.mark.parametrize("text", UNLOADABLE.values(), ids=UNLOADABLE)
def test_what_cannot_be_loaded_fails_as_before(text: str) -> None:
    shape = dsl.MachineShape(nodes=1, processors={"GPU": 4})
    codes = []
    for each in (text, form(text)):
        with pytest.raises(dsl.MapperLoadError) as caught:
            dsl.load(dsl.parse(each), shape)
        codes.append(caught.value.code)
    assert codes[0] == codes[1]


def test_undefined_names_stay_undefined() -> None:
    for name in ("x1", "itself", "f_0", "v"):
        text = f"def f(Task t) {{ y = 1; return {name}; }} IndexTaskMap a f;"
        mapper = dsl.load(dsl.parse(form(text)), dsl.MachineShape(nodes=1, processors={"GPU": 1}))
        with pytest.raises(dsl.MapperEvaluationError, match=rf"\b{name}\b"):
            mapper.index_point("a", "GPU", (1,), (0,))


def test_a_mapper_without_decisions_has_one_too() -> None:
    assert form("x = 1;") == form("y = 2; z = Machine(GPU);")
    assert form(form("x = 1;")) == form("x = 1;")


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"def f{k}(int i) {{ return f{k + 1}(i); }}\n" for k in range(3000))
        + "def g(Task t) { return f0(1); } IndexTaskMap a g;",
        "x0 = 1;" + "".join(f"x{k + 1} = x{k};\n" for k in range(3000)),
        "x0 = 1;" + "".join(f"x{k + 1} = x{k} + 1;\n" for k in range(3000)),
        "def f(Task t) { return g(t); } def g(Task t) { return f(t); } IndexTaskMap a f;",
        "def f(Task t) { return tuple(t for t in (t, 1)); } IndexTaskMap a f;",
        f"x = {'-' * (MAX_NESTING - 4)}y;",
    ],
    ids=["functions in a row", "aliases", "sums", "a circle", "a captured name", "deep"],
)
def test_odd_programs_have_one(text: str) -> None:
    once = form(text)
    assert form(once) == once
