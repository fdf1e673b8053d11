"""From the syntax tree to code for a stack machine: what is evaluated, in which order (section 3).

An instruction names an operation of `dsl.evaluation.evaluate.Evaluator`, and holds its argument
and the node of the tree that it stands for. Each expression leaves one value on the stack. The
branches of a conditional are code of their own, of which one is run. A comprehension is written
out here: its variable stands for each element expression in turn, by name, as the reference has
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from dsl import syntax
from dsl.evaluation.processors import MachineSpace
from dsl.evaluation.values import IntTuple, MemoryName, ProcessorName, StarValue
from dsl.limits import MAX_CODE, MAX_NESTING, MAX_TUPLE

__all__ = ["Code", "Instruction", "compile_body", "compile_expression", "compile_print"]

Instruction: TypeAlias = tuple[str, Any, Any]
Code: TypeAlias = list[Instruction]


def compile_expression(expression: syntax.Expression) -> Code:
    """Code for an expression at top level, outside of any function."""
    return _Compiler(in_function=False).expression(expression)


def compile_print(statement: syntax.Print) -> Code:
    """Code for a print statement at top level."""
    return _Compiler(in_function=False).print(statement)


def compile_body(definition: syntax.FunctionDefinition) -> Code:
    """Code for a function's body; it returns, or fails at its end."""
    compiler = _Compiler(in_function=True)
    code = [step for statement in definition.body for step in compiler.statement(statement)]
    sentence = f"the function {definition.name} ends without return"
    return [*code, ("fail", ("no-return", sentence, "end it with return ...;"), definition)]


class _Compiler:
    """Compiles the statements of one function, or one expression outside of any."""

    def __init__(self, *, in_function: bool) -> None:
        self._in_function = in_function
        self._emitted = 0

    def statement(self, node: syntax.Assignment | syntax.Return | syntax.Print) -> Code:
        if isinstance(node, syntax.Print):
            return self.print(node)
        if isinstance(node, syntax.Return):
            return [*self.expression(node.value), ("give_back", node, node)]
        return [*self.expression(node.value), ("store", node.name, node)]

    def print(self, node: syntax.Print) -> Code:
        pieces = node.format.split("{}")
        wanted = len(pieces) - 1
        if wanted > len(node.arguments):
            sentence = f"print has {wanted} {{}} and {len(node.arguments)} arguments"
            return [("fail", ("print-args", sentence, None), node)]
        # Surplus arguments are not evaluated (section 2).
        arguments = [self.expression(argument) for argument in node.arguments[:wanted]]
        return [*(step for code in arguments for step in code), ("print", pieces, node)]

    def expression(self, root: syntax.Expression) -> Code:
        """Code for an expression, or code that fails where it is beyond the bounds."""
        code: Code = []
        visit = _Visit(root, {}, self._in_function, 1)
        # A stack of what is still to be written, and where to.
        pending: list[tuple[_Step, Code]] = [(visit, code)]
        while pending:
            step, target = pending.pop()
            if isinstance(step, _Emit):
                self._emitted += 1
                target.append((step.operation, step.argument, step.node))
            elif step.depth > MAX_NESTING:
                return [("fail", ("too-deep", "this expression nests too deeply", None), root)]
            elif isinstance(step, _Branches):
                branches: tuple[Code, Code] = ([], [])
                target.append(("branch", branches, step.node))
                pending += zip(step.visits, branches, strict=True)
            else:
                pending += [(each, target) for each in reversed(_steps(step))]
            if self._emitted + len(pending) > MAX_CODE:
                sentence = "this takes too many steps once it is written out"
                return [("fail", ("too-large", sentence, None), root)]
        return code


class _Visit(NamedTuple):
    """An expression still to be compiled."""

    node: Any
    bindings: Mapping[str, syntax.Expression]
    in_function: bool
    depth: int

    def under(self, node: syntax.Expression) -> _Visit:
        """The same for an expression directly under it."""
        return _Visit(node, self.bindings, self.in_function, self.depth + 1)


class _Emit(NamedTuple):
    """An instruction."""

    operation: str
    argument: Any
    node: Any


class _Branches(NamedTuple):
    """The branches of a conditional, each still to be compiled into code of its own."""

    visits: tuple[_Visit, _Visit]
    node: Any
    depth: int


_Step: TypeAlias = _Visit | _Emit | _Branches


def _steps(visit: _Visit) -> list[_Step]:
    """What an expression consists of, in the order of evaluation."""
    return _HANDLERS[type(visit.node)](visit)


def _constant(visit: _Visit) -> list[_Step]:
    node = visit.node
    return [_Emit("push", _CONSTANTS[type(node)](node), node)]


def _name(visit: _Visit) -> list[_Step]:
    bound = visit.bindings.get(visit.node.name)
    if bound is None:
        return [_Emit("load", visit.node.name, visit.node)]
    return [visit.under(bound)]


def _gather(visit: _Visit, items: tuple[syntax.Expression, ...]) -> list[_Step]:
    return [*map(visit.under, items), _Emit("gather", len(items), visit.node)]


def _tuple(visit: _Visit) -> list[_Step]:
    node = visit.node
    if _is_int_literal(node) and len(node.elements) <= MAX_TUPLE:
        items = tuple([element.value for element in node.elements])
        return [_Emit("push", IntTuple(items), node)]
    return [*_gather(visit, node.elements), _Emit("make_tuple", None, node)]


def _comprehension(visit: _Visit) -> list[_Step]:
    node = visit.node
    if not visit.in_function:
        sentence = "a comprehension cannot stand outside of a function"
        hint = "put it into a function and call that"
        return [_Emit("fail", ("comprehension-at-top-level", sentence, hint), node)]
    steps: list[_Step] = []
    for element in node.elements:
        bindings = {**visit.bindings, node.variable: element}
        steps.append(visit.under(node.element)._replace(bindings=bindings))
        steps.append(_Emit("require_element", None, node))
    steps.append(_Emit("gather", len(node.elements), node))
    return [*steps, _Emit("make_tuple", None, node)]


def _binary(visit: _Visit) -> list[_Step]:
    node = visit.node
    return [visit.under(node.left), visit.under(node.right), _Emit("binary", node.operator, node)]


def _negate(visit: _Visit) -> list[_Step]:
    node = visit.node
    return [visit.under(node.operand), _Emit("negate", _is_int_literal(node.operand), node)]


def _unpack(visit: _Visit) -> list[_Step]:
    return [visit.under(visit.node.operand), _Emit("unpack", None, visit.node)]


def _conditional(visit: _Visit) -> list[_Step]:
    node = visit.node
    branches = (visit.under(node.then), visit.under(node.otherwise))
    return [visit.under(node.condition), _Branches(branches, node, visit.depth)]


def _index(visit: _Visit) -> list[_Step]:
    # The indices come before what they index (section 3).
    node = visit.node
    return [*_gather(visit, node.indices), visit.under(node.base), _Emit("index", None, node)]


def _slice(visit: _Visit) -> list[_Step]:
    node = visit.node
    bounds = [
        _Emit("push", 0, node) if bound is None else visit.under(bound)
        for bound in (node.lower, node.upper)
    ]
    return [visit.under(node.base), *bounds, _Emit("slice", None, node)]


def _member(visit: _Visit) -> list[_Step]:
    return [visit.under(visit.node.base), _Emit("member", visit.node.name, visit.node)]


def _call(visit: _Visit) -> list[_Step]:
    node = visit.node
    callee = _callee(visit)
    arguments = _gather(visit, node.arguments)
    if isinstance(callee, syntax.Member):
        return [visit.under(callee.base), *arguments, _Emit("method", callee.name, node)]
    if isinstance(callee, syntax.MachineName):
        return [*arguments, _Emit("machine", None, node)]
    if isinstance(callee, syntax.Name):
        return [*arguments, _Emit("call", callee.name, node)]
    sentence = "this is not a function: what is called must be the name of one"
    return [_Emit("fail", ("not-a-function", sentence, None), node)]


def _callee(visit: _Visit) -> syntax.Expression | None:
    """What is called, once the variables of comprehensions are replaced."""
    callee: syntax.Expression = visit.node.function
    for _ in range(MAX_NESTING):
        if not isinstance(callee, syntax.Name) or callee.name not in visit.bindings:
            return callee
        callee = visit.bindings[callee.name]
    return None  # a variable that stands for itself


def _is_int_literal(node: syntax.Expression) -> bool:
    """Whether it is a tuple of plain integer literals: an int tuple from the start (section 4)."""
    return isinstance(node, syntax.TupleLiteral) and all(
        isinstance(element, syntax.Integer) for element in node.elements
    )


_CONSTANTS: dict[type, Callable[[Any], Any]] = {
    syntax.Integer: lambda node: node.value,
    syntax.Boolean: lambda node: node.value,
    syntax.ProcessorKind: lambda node: ProcessorName(node.kind),
    syntax.MemoryKind: lambda node: MemoryName(node.kind),
    syntax.Star: lambda _: StarValue(),
    syntax.MachineName: lambda _: MachineSpace(None, (), ()),
}

_HANDLERS: dict[type, Callable[[_Visit], list[_Step]]] = {
    **dict.fromkeys(_CONSTANTS, _constant),
    syntax.Name: _name,
    syntax.TupleLiteral: _tuple,
    syntax.Comprehension: _comprehension,
    syntax.Binary: _binary,
    syntax.Negate: _negate,
    syntax.Unpack: _unpack,
    syntax.Conditional: _conditional,
    syntax.Index: _index,
    syntax.Slice: _slice,
    syntax.Member: _member,
    syntax.Call: _call,
}
