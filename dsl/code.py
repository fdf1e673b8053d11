"""From the syntax tree to code for a stack machine: what is evaluated, in which order (section 3).

An instruction names an operation of `dsl.evaluate.Evaluator`, and holds its argument and the
node of the tree that it stands for. Each expression leaves one value on the stack. The branches
of a conditional are code of their own, of which one is run. A comprehension is written out here:
its variable stands for each element expression in turn, by name, as the reference has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dsl import syntax
from dsl.limits import MAX_CODE, MAX_NESTING, MAX_TUPLE
from dsl.processors import MachineSpace
from dsl.values import IntTuple, MemoryName, ProcessorName, StarValue

__all__ = ["Code", "Instruction", "compile_body", "compile_expression", "compile_print"]

Instruction: TypeAlias = tuple[str, Any, Any]
Code: TypeAlias = list[Instruction]

_Bindings: TypeAlias = Mapping[str, syntax.Expression]


def compile_expression(expression: syntax.Expression) -> Code:
    """Code for an expression at top level, outside of any function."""
    compiler = _Compiler(in_function=False)
    compiler.expression(expression, {})
    return compiler.code


def compile_body(definition: syntax.FunctionDefinition) -> Code:
    """Code for a function's body; it returns, or fails at its end."""
    compiler = _Compiler(in_function=True)
    for statement in definition.body:
        compiler.statement(statement)
    sentence = f"the function {definition.name} ends without return"
    compiler.emit("fail", ("no-return", sentence, "end it with return ...;"), definition)
    return compiler.code


def compile_print(statement: syntax.Print) -> Code:
    """Code for a print statement at top level."""
    compiler = _Compiler(in_function=False)
    compiler.statement(statement)
    return compiler.code


class _TooLarge(Exception):  # noqa: N818  a turn of the compilation, not an error
    """What is compiled would take too much code, or nests too deeply."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.failure = (code, sentence, None)


class _Compiler:
    def __init__(self, *, in_function: bool) -> None:
        self.code: Code = []
        self.in_function = in_function
        self.emitted = 0
        self.depth = 0

    def emit(self, operation: str, argument: Any, node: Any) -> None:
        self.emitted += 1
        if self.emitted > MAX_CODE:
            raise _TooLarge("too-large", "this takes too many steps once it is written out")
        self.code.append((operation, argument, node))

    # Statements

    def statement(self, node: syntax.Assignment | syntax.Return | syntax.Print) -> None:
        if isinstance(node, syntax.Print):
            self.print(node)
        elif isinstance(node, syntax.Return):
            self.expression(node.value, {})
            self.emit("give_back", node, node)
        else:
            self.expression(node.value, {})
            self.emit("store", node.name, node)

    def print(self, node: syntax.Print) -> None:
        pieces = node.format.split("{}")
        wanted = len(pieces) - 1
        if wanted > len(node.arguments):
            sentence = f"print has {wanted} {{}} and {len(node.arguments)} arguments"
            self.emit("fail", ("print-args", sentence, None), node)
            return
        # Surplus arguments are not evaluated (section 2).
        for argument in node.arguments[:wanted]:
            self.expression(argument, {})
        self.emit("print", pieces, node)

    # Expressions

    def expression(self, node: syntax.Expression, bindings: _Bindings) -> None:
        """Code for an expression, or code that fails where it is beyond the bounds."""
        if self.depth:
            self.nested(node, bindings)
            return
        start = len(self.code)
        try:
            self.nested(node, bindings)
        except _TooLarge as beyond:
            del self.code[start:]
            self.emitted = self.depth = 0
            self.emit("fail", beyond.failure, node)

    def nested(self, node: syntax.Expression, bindings: _Bindings) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise _TooLarge("too-deep", "this expression nests too deeply")
        _HANDLERS[type(node)](self, node, bindings)
        self.depth -= 1

    def block(self, node: syntax.Expression, bindings: _Bindings) -> Code:
        outer, self.code = self.code, []
        try:
            self.expression(node, bindings)
            return self.code
        finally:
            self.code = outer

    def constant(self, node: Any, _: _Bindings) -> None:
        self.emit("push", _CONSTANTS[type(node)](node), node)

    def name(self, node: syntax.Name, bindings: _Bindings) -> None:
        bound = bindings.get(node.name)
        if bound is None:
            self.emit("load", node.name, node)
        else:
            self.expression(bound, bindings)

    def gather(self, items: tuple[syntax.Expression, ...], bindings: _Bindings, at: Any) -> None:
        for item in items:
            self.expression(item, bindings)
        self.emit("gather", len(items), at)

    def tuple_literal(self, node: syntax.TupleLiteral, bindings: _Bindings) -> None:
        if _is_int_literal(node) and len(node.elements) <= MAX_TUPLE:
            items = tuple([element.value for element in node.elements])  # type: ignore[union-attr]
            self.emit("push", IntTuple(items), node)
        else:
            self.gather(node.elements, bindings, node)
            self.emit("make_tuple", None, node)

    def comprehension(self, node: syntax.Comprehension, bindings: _Bindings) -> None:
        if not self.in_function:
            sentence = "a comprehension cannot stand outside of a function"
            hint = "put it into a function and call that"
            self.emit("fail", ("comprehension-at-top-level", sentence, hint), node)
            return
        for element in node.elements:
            self.expression(node.element, {**bindings, node.variable: element})
            self.emit("require_element", None, node)
        self.emit("gather", len(node.elements), node)
        self.emit("make_tuple", None, node)

    def binary(self, node: syntax.Binary, bindings: _Bindings) -> None:
        self.expression(node.left, bindings)
        self.expression(node.right, bindings)
        self.emit("binary", node.operator, node)

    def negate(self, node: syntax.Negate, bindings: _Bindings) -> None:
        self.expression(node.operand, bindings)
        self.emit("negate", _is_int_literal(node.operand), node)

    def unpack(self, node: syntax.Unpack, bindings: _Bindings) -> None:
        self.expression(node.operand, bindings)
        self.emit("unpack", None, node)

    def conditional(self, node: syntax.Conditional, bindings: _Bindings) -> None:
        self.expression(node.condition, bindings)
        branches = (self.block(node.then, bindings), self.block(node.otherwise, bindings))
        self.emit("branch", branches, node)

    def index(self, node: syntax.Index, bindings: _Bindings) -> None:
        # The indices come before what they index (section 3).
        self.gather(node.indices, bindings, node)
        self.expression(node.base, bindings)
        self.emit("index", None, node)

    def slice(self, node: syntax.Slice, bindings: _Bindings) -> None:
        self.expression(node.base, bindings)
        for bound in (node.lower, node.upper):
            if bound is None:
                self.emit("push", 0, node)
            else:
                self.expression(bound, bindings)
        self.emit("slice", None, node)

    def member(self, node: syntax.Member, bindings: _Bindings) -> None:
        self.expression(node.base, bindings)
        self.emit("member", node.name, node)

    def call(self, node: syntax.Call, bindings: _Bindings) -> None:
        callee = _callee(node.function, bindings)
        if isinstance(callee, syntax.Member):
            self.expression(callee.base, bindings)
            self.gather(node.arguments, bindings, node)
            self.emit("method", callee.name, node)
        elif isinstance(callee, syntax.MachineName):
            self.gather(node.arguments, bindings, node)
            self.emit("machine", None, node)
        elif isinstance(callee, syntax.Name):
            self.gather(node.arguments, bindings, node)
            self.emit("call", callee.name, node)
        else:
            self.emit("fail", _NOT_CALLABLE, node)


def _callee(node: syntax.Expression, bindings: _Bindings) -> syntax.Expression:
    """What is called, once the variables of comprehensions are replaced."""
    for _ in range(MAX_NESTING):
        if not isinstance(node, syntax.Name) or node.name not in bindings:
            return node
        node = bindings[node.name]
    raise _TooLarge("too-deep", "a comprehension's variable stands for itself")


def _is_int_literal(node: syntax.Expression) -> bool:
    """Whether it is a tuple of plain integer literals: an int tuple from the start (section 4)."""
    return isinstance(node, syntax.TupleLiteral) and all(
        isinstance(element, syntax.Integer) for element in node.elements
    )


_NOT_CALLABLE = (
    "not-a-function",
    "this is not a function: what is called must be the name of one",
    None,
)

_CONSTANTS: dict[type, Callable[[Any], Any]] = {
    syntax.Integer: lambda node: node.value,
    syntax.Boolean: lambda node: node.value,
    syntax.ProcessorKind: lambda node: ProcessorName(node.kind),
    syntax.MemoryKind: lambda node: MemoryName(node.kind),
    syntax.Star: lambda _: StarValue(),
    syntax.MachineName: lambda _: MachineSpace(None, (), ()),
}

_HANDLERS: dict[type, Callable[[_Compiler, Any, _Bindings], None]] = {
    **dict.fromkeys(_CONSTANTS, _Compiler.constant),
    syntax.Name: _Compiler.name,
    syntax.TupleLiteral: _Compiler.tuple_literal,
    syntax.Comprehension: _Compiler.comprehension,
    syntax.Binary: _Compiler.binary,
    syntax.Negate: _Compiler.negate,
    syntax.Unpack: _Compiler.unpack,
    syntax.Conditional: _Compiler.conditional,
    syntax.Index: _Compiler.index,
    syntax.Slice: _Compiler.slice,
    syntax.Member: _Compiler.member,
    syntax.Call: _Compiler.call,
}
