"""What a program needs of layouts because of pieces with holes, taken from what was observed."""

from __future__ import annotations

import dsl
from legion_bridge import Application, Machine
from legion_bridge.capture.assemble import assemble
from legion_bridge.capture.copy_needs import agreeing_with
from legion_bridge.capture.observed import (
    ObservedLaunch,
    ObservedPartition,
    ObservedPoint,
    ObservedProgram,
    ObservedRegion,
    ObservedRequirement,
    ObservedTask,
    Piece,
)
from legion_bridge.programs.application_json import from_json, to_json
from legion_bridge.programs.application_schema import schema_of

FIELDS = {"a": 8, "b": 8}


def captured(boxes: int, dimension: int = 1) -> Application:
    """A task that reads two fields of pieces with holes, and one that writes the whole region."""
    upper = (1023,) * dimension
    piece = Piece((0,) * dimension, upper, 600, boxes)
    pieces = ObservedRequirement("r", "p", "READ_ONLY", ("a", "b"))
    whole = ObservedRequirement("r", None, "WRITE_ONLY", ("a", "b"))
    observed = ObservedProgram(
        {"reads": ObservedTask(("CPU",)), "writes": ObservedTask(("CPU",))},
        {"r": ObservedRegion("line", (0,) * dimension, upper, FIELDS)},
        {"p": ObservedPartition("pieces", "r", {0: piece})},
        [
            ObservedLaunch("writes", None, None, (whole,), {(): ObservedPoint((None,))}),
            ObservedLaunch("reads", (0,), (0,), (pieces,), {(0,): ObservedPoint((0,))}, number=1),
        ],
        unknown={"*.blocking": "not seen"},
    )
    return assemble(observed, "holes", "")


def codes(text: str, application: Application) -> list[str]:
    found = dsl.check(dsl.parse(f"Task * CPU;\n{text}"), application, Machine.load("cpu2"))
    return [each.code for each in found if each.severity == "error"]


def test_few_boxes_may_have_any_fields_together_but_are_not_compact() -> None:
    application = captured(boxes=100)
    assert codes("Layout * * * AOS;", application) == []
    assert codes("Layout writes * * Compact;", application) == []
    assert codes("Layout reads * * Compact;", application) == ["layout-refused"]


def test_many_boxes_need_fields_apart_in_all_of_their_region() -> None:
    application = captured(boxes=200)
    assert codes("Layout * * * SOA C_order;", application) == []
    assert codes("Layout reads * * AOS;", application) == ["layout-refused"]
    assert codes("Layout writes * * AOS;", application) == ["layout-refused"]


def test_several_dimensions_need_one_order_which_is_that_of_the_own_mapper() -> None:
    application = captured(boxes=200, dimension=2)
    assert codes("Layout * * * F_order;", application) == []
    assert codes("Layout writes * * C_order;", application) == ["layout-refused"]
    turned = agreeing_with(application, dsl.parse("Task * CPU; Layout * * * C_order;"))
    assert codes("Layout * * * C_order;", turned) == []
    assert codes("", turned) == ["layout-refused"]


def test_what_the_own_mapper_makes_compact_may_be() -> None:
    application = captured(boxes=100)
    agreed = agreeing_with(application, dsl.parse("Task * CPU; Layout reads * * Compact;"))
    assert codes("Layout reads * * Compact;", agreed) == []


def test_dense_pieces_need_nothing() -> None:
    assert codes("Layout * * * AOS C_order Compact;", captured(boxes=1)) == []


def test_a_search_leaves_out_what_is_refused() -> None:
    application = captured(boxes=200, dimension=2)
    start = dsl.parse("Task * CPU; Layout * * * SOA F_order Compact Exact;")
    template = dsl.template_for(application, Machine.load("cpu2"), start=start)
    assert not [name for name in template.parameters if name.startswith(("layout.", "order."))]
    assert "exact.reads.line" not in template.parameters


def test_needs_are_kept_in_files() -> None:
    application = captured(boxes=200)
    assert schema_of(application) == 4
    before, after = (
        [each.need for launch in program.launches() for each in launch.requirements]
        for program in (application, from_json(to_json(application)))
    )
    assert before == after
    assert after[-1] is not None
    assert after[-1].compact is False
