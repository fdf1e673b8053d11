"""Expressions in C: each becomes a call of the policy's helpers, or plain arithmetic.

What is evaluated first in the language is evaluated first in C. C leaves the order of operands
open, so an operand that can fail or print is settled in a temporary before one that follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from dsl import syntax
from dsl.c_output.body import Body, Operand, StaticType, at, c_integer, joined
from dsl.c_output.scope import Scope
from dsl.c_output.text import c_string
from dsl.limits import INT_MIN, MAX_NESTING

__all__ = ["Expressions"]

_ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
_ORDER = ("<", ">", "<=", ">=")
_BOTH = {"&&": "both", "||": "either"}
_TUPLES = (StaticType.INTS, StaticType.TUPLE)
NEVER, INT, BOOL, INTS, TUPLE, SPACE, TASK, PLACE, ANY, ITEM, LOOSE = StaticType

# An expression in C that gets longer goes to a temporary.
_LONG = 60

# Methods of a machine: what each argument has to be.
_TRANSFORMS: dict[str, tuple[StaticType, ...]] = {
    "split": (INT, INT),
    "merge": (INT, INT),
    "swap": (INT, INT),
    "slice": (INT, INT, INT),
    "reverse": (INT,),
    "balance_split": (INT, INT),
    "auto_split": (INT, ANY),
    "greedy_split": (INT, ANY),
}
_MEMBERS = {"size": INTS, "volume": INT, "len": INT, "ipoint": INTS, "ispace": INTS}


class Expressions:
    """Writes expressions into a body, in a scope."""

    def __init__(self, body: Body, scope: Scope, refused: Mapping[int, tuple[str, str]]) -> None:
        self.body = body
        self.scope = scope
        self.refused = refused

    def emit(self, node: syntax.Expression) -> Operand:
        """The operand that holds the expression's value, in a temporary if its C is long."""
        operand = self.whole(node)
        return self.body.settle(operand) if len(operand.text) > _LONG else operand

    def whole(self, node: syntax.Expression) -> Operand:
        """The operand that holds the expression's value, however long it is in C."""
        if id(node) in self.refused:
            return self.fault(node, *self.refused[id(node)])
        return _EMITTERS[type(node)](self, node)

    def each(self, nodes: Sequence[syntax.Expression]) -> list[Operand]:
        """The operands of several expressions, in their order."""
        last = max((k for k, node in enumerate(nodes) if not self._inert(node)), default=-1)
        operands = []
        for k, node in enumerate(nodes):
            operand = self.emit(node)
            operands.append(self.body.settle(operand) if k < last else operand)
        return operands

    def _inert(self, node: syntax.Expression) -> bool:
        """Whether evaluating it has no effect, cannot fail, and needs no lines of its own."""
        if isinstance(node, syntax.Name):
            return self.scope.is_local(node.name)
        return isinstance(node, (syntax.Integer, syntax.Boolean, syntax.ProcessorKind))

    def fault(self, node: Any, code: str, sentence: str) -> Operand:
        """An operand whose evaluation fails."""
        sentence = c_string(sentence.replace("%", "%%"))
        name = code.upper().replace("-", "_")
        return Operand(f"fail(p, {at(node.position)}, MAPPER_{name}, {sentence})", NEVER)

    # Conversions

    def int_of(self, operand: Operand, node: syntax.Expression, code: str) -> str:
        """The operand as a C int."""
        if operand.static is INT:
            return operand.text
        return f"as_int(p, {at(node.position)}, MAPPER_{code}, {operand.boxed})"

    def bool_of(self, operand: Operand, node: syntax.Expression, code: str) -> str:
        """The operand as a C bool."""
        if operand.static is BOOL:
            return operand.text
        return f"as_bool(p, {at(node.position)}, MAPPER_{code}, {operand.boxed})"

    # Literals and names

    def integer(self, node: syntax.Integer) -> Operand:
        return Operand(c_integer(node.value), INT, settled=True)

    def boolean(self, node: syntax.Boolean) -> Operand:
        return Operand("true" if node.value else "false", BOOL, settled=True)

    def processor_kind(self, node: syntax.ProcessorKind) -> Operand:
        return Operand(f"of_tag(KIND, MAPPER_{node.kind})", ANY, settled=True)

    def memory_kind(self, node: syntax.MemoryKind) -> Operand:
        return Operand(f"of_tag(MEMORY, MAPPER_{node.kind})", ANY, settled=True)

    def star(self, _: syntax.Star) -> Operand:
        return Operand("of_tag(STAR, 0)", ITEM, settled=True)

    def machine_name(self, node: syntax.MachineName) -> Operand:
        return Operand(f"bare_machine(p, {at(node.position)})", SPACE)

    def name(self, node: syntax.Name) -> Operand:
        meaning = self.scope.local(node.name)
        if isinstance(meaning, Operand):
            return meaning
        if meaning is not None:
            return self.emit(meaning)  # by name (section 4)
        found = self.scope.read_global(node.name, at(node.position))
        return found or self.fault(node, "undefined-name", f"{node.name} is not defined")

    # Operators

    def binary(self, node: syntax.Binary) -> Operand:
        left, right = self.each((node.left, node.right))
        where = at(node.position)
        if node.operator in _ARITHMETIC:
            return self._arithmetic(node, left, right, where)
        if node.operator in _BOTH:
            a, b = (self.bool_of(operand, node, "TYPE_MISMATCH") for operand in (left, right))
            return Operand(f"{_BOTH[node.operator]}({a}, {b})", BOOL)
        return self._comparison(node, left, right, where)

    def _arithmetic(
        self, node: syntax.Binary, left: Operand, right: Operand, where: str
    ) -> Operand:
        if INT in (left.static, right.static):
            a, b = (self.int_of(operand, node, "TYPE_MISMATCH") for operand in (left, right))
            return Operand(f"int_{_ARITHMETIC[node.operator]}(p, {where}, {a}, {b})", INT)
        text = f"operate(p, {where}, {left.boxed}, '{node.operator}', {right.boxed})"
        return Operand(text, INTS if {left.static, right.static} & {*_TUPLES} else ANY)

    def _comparison(
        self, node: syntax.Binary, left: Operand, right: Operand, where: str
    ) -> Operand:
        operator = node.operator
        plain = (INT, BOOL) if operator not in _ORDER else (INT,)
        if left.static is right.static and left.static in plain:
            return Operand(f"({left.text} {operator} {right.text})", BOOL)
        arguments = f'(p, {where}, {left.boxed}, "{operator}", {right.boxed})'
        if operator in _ORDER:
            return Operand(f"(order{arguments} {operator} 0)", BOOL)
        return Operand(f"{'!' if operator == '!=' else ''}equal{arguments}", BOOL)

    def negate(self, node: syntax.Negate) -> Operand:
        where = at(node.position)
        if isinstance(node.operand, syntax.Integer) and node.operand.value != INT_MIN:
            return Operand(c_integer(-node.operand.value), INT, settled=True)
        if is_int_literal(node.operand):
            negated = [syntax.Negate(e, position=node.position) for e in node.operand.elements]
            return self._ints([self.emit(element).text for element in negated], where)
        operand = self.emit(node.operand)
        if operand.static is INT:
            return Operand(f"int_subtract(p, {where}, 0, {operand.text})", INT)
        return Operand(f"negate(p, {where}, {operand.boxed})", ANY)

    def conditional(self, node: syntax.Conditional) -> Operand:
        test = self.emit(node.condition)
        condition = self.bool_of(test, node.condition, "CONDITION_NOT_BOOL")
        with self.body.aside() as then_lines:
            then = self.whole(node.then)
        with self.body.aside() as else_lines:
            otherwise = self.whole(node.otherwise)
        static = joined(then.static, otherwise.static)
        a, b = then.held_as(static), otherwise.held_as(static)
        if not then_lines and not else_lines and len(condition) + len(a) + len(b) < 2 * _LONG:
            return Operand(f"({condition} ? {a} : {b})", static)
        return self._branches(condition, (a, then_lines), (b, else_lines), static)

    def _branches(
        self,
        condition: str,
        then: tuple[str, list[str]],
        otherwise: tuple[str, list[str]],
        static: StaticType,
    ) -> Operand:
        result = self.body.declare(static)
        self.body.line(f"if ({condition}) {{")
        self.body.lines += [*then[1], f"{self.body.margin}    {result} = {then[0]};"]
        self.body.line("} else {")
        self.body.lines += [*otherwise[1], f"{self.body.margin}    {result} = {otherwise[0]};"]
        self.body.line("}")
        return Operand(result, static, settled=True)

    # Tuples

    def tuple_literal(self, node: syntax.TupleLiteral) -> Operand:
        where = at(node.position)
        if is_int_literal(node):
            return self._ints([self.emit(element).text for element in node.elements], where)
        listed = self.collected(node.elements, where)
        return Operand(f"tuple_of(p, {where}, {listed})", TUPLE)

    def _ints(self, numbers: list[str], where: str) -> Operand:
        array = f"(const int32_t[]){{{', '.join(numbers)}}}"
        return Operand(f"copy_ints(p, {where}, {len(numbers)}, {array})", INTS)

    def collected(self, nodes: Sequence[syntax.Expression], where: str) -> str:
        """The name of a list with the values of the expressions; unpacked ones are spliced in."""
        name = self._list(len(nodes), where)
        for node in nodes:
            self._push(name, self.emit(node), where)
        return name

    def _list(self, room: int, where: str) -> str:
        name = self.body.fresh()
        self.body.line(f"list {name} = new_list(p, {where}, {room});")
        return name

    def _push(self, name: str, operand: Operand, where: str) -> None:
        verb = "push" if operand.static is LOOSE else "append"
        self.body.line(f"{verb}(p, {where}, &{name}, {operand.boxed});")

    def unpack(self, node: syntax.Unpack) -> Operand:
        operand = self.emit(node.operand)
        return Operand(f"unpack(p, {at(node.position)}, {operand.boxed})", LOOSE)

    def comprehension(self, node: syntax.Comprehension) -> Operand:
        where = at(node.position)
        if self.scope.statement is not None:
            sentence = "a comprehension stands outside of a function"
            return self.fault(node, "comprehension-at-top-level", sentence)
        numbers = [_constant(element) for element in node.elements]
        name = self._list(len(numbers), where)
        if None not in numbers:
            self._loop(node, [number for number in numbers if number is not None], name)
        else:
            for element in node.elements:
                with self.scope.bound(node.variable, element):
                    self._push_element(name, self.emit(node.element), where)
        return Operand(f"tuple_of(p, {where}, {name})", TUPLE)

    def _push_element(self, name: str, operand: Operand, where: str) -> None:
        if operand.static is LOOSE:
            operand = Operand(f"one_element(p, {where}, {operand.text})", ITEM)
        self._push(name, operand, where)

    def _loop(self, node: syntax.Comprehension, numbers: list[int], name: str) -> None:
        """Elements that are integers need no writing out."""
        table, k, where = self.body.fresh(), self.body.fresh(), at(node.position)
        variable = Operand(f"x_{node.variable}", INT, settled=True)
        listed = ", ".join(c_integer(number) for number in numbers)
        self.body.line(f"static const int32_t {table}[] = {{{listed}}};")
        with self.body.block(f"for (int32_t {k} = 0; {k} < {len(numbers)}; {k}++) {{"):
            self.body.line(f"int32_t {variable.text} = {table}[{k}];")
            self.body.line(f"(void){variable.text};")
            self.body.line(f"take_steps(p, {where}, 1);")
            with self.scope.bound(node.variable, variable):
                self._push_element(name, self.emit(node.element), where)

    def index(self, node: syntax.Index) -> Operand:
        where = at(node.position)
        if len(node.indices) == 1 and isinstance(node.indices[0], syntax.Unpack):
            return self._spread(node, node.indices[0], where)
        if any(isinstance(each, (syntax.Unpack, syntax.Star)) for each in node.indices):
            listed = self.collected(node.indices, where)
            return self._index_by(listed, self.emit(node.base), where)
        *indices, base = self.each((*node.indices, node.base))
        if any(operand.static >= ITEM for operand in indices):
            listed = self._list(len(indices), where)
            for operand in indices:
                self._push(listed, operand, where)
            return self._index_by(listed, base, where)
        pairs = zip(indices, node.indices, strict=True)
        numbers = [self.int_of(operand, index, "BAD_INDEX") for operand, index in pairs]
        if len(numbers) == 1:
            return self._one_index(base, numbers[0], where)
        array = f"{len(numbers)}, (const int32_t[]){{{', '.join(numbers)}}}"
        return Operand(f"index_many(p, {where}, {base.boxed}, {array})", PLACE)

    def _spread(self, node: syntax.Index, unpack: syntax.Unpack, where: str) -> Operand:
        """One tuple spread over all dimensions: the commonest index of a machine."""
        spread = self.emit(unpack.operand)
        if spread.static not in _TUPLES:
            listed = self._list(1, where)
            text = f"unpack(p, {at(unpack.position)}, {spread.boxed})"
            self._push(listed, Operand(text, LOOSE), where)
            return self._index_by(listed, self.emit(node.base), where)
        if not self._inert(node.base):
            spread = self.body.settle(spread)
        base = self.emit(node.base)
        static = PLACE if base.static is SPACE else ITEM
        return Operand(f"index_spread(p, {where}, {base.boxed}, {spread.boxed})", static)

    def _index_by(self, listed: str, base: Operand, where: str) -> Operand:
        static = PLACE if base.static is SPACE else ITEM
        return Operand(f"index_list(p, {where}, {base.boxed}, {listed})", static)

    def _one_index(self, base: Operand, number: str, where: str) -> Operand:
        if base.static is INTS:
            return Operand(f"ints_item(p, {where}, {base.text}, {number})", INT)
        static = INTS if base.static is SPACE else ITEM
        return Operand(f"index_one(p, {where}, {base.boxed}, {number})", static)

    def slice(self, node: syntax.Slice) -> Operand:
        bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
        base, *given = self.each((node.base, *bounds))
        pairs = zip(given, bounds, strict=True)
        numbers = [self.int_of(operand, bound, "BAD_INDEX") for operand, bound in pairs]
        lower = numbers.pop(0) if node.lower else "0"
        upper = numbers.pop(0) if node.upper else "0"
        static = {INTS: INTS, SPACE: INTS, TUPLE: TUPLE}.get(base.static, ANY)
        return Operand(f"slice(p, {at(node.position)}, {base.boxed}, {lower}, {upper})", static)

    # Members and calls

    def member(self, node: syntax.Member) -> Operand:
        base, where = self.emit(node.base), at(node.position)
        if node.name in ("size", "volume", "len"):
            static = INTS if node.name == "size" else INT
            return Operand(f"{node.name}_of(p, {where}, {base.boxed})", static)
        if node.name in ("ipoint", "ispace", "parent"):
            static = TASK if node.name == "parent" else INTS
            return Operand(f"task_{node.name}(p, {where}, {base.boxed})", static)
        self.body.drop(base)
        return self.fault(node, "bad-member", f"{node.name} is not a value: it has to be called")

    def call(self, node: syntax.Call) -> Operand:
        callee = self._callee(node.function)
        if isinstance(callee, syntax.MachineName):
            return self._machine(node)
        if isinstance(callee, syntax.Member):
            return self._method(node, callee)
        if isinstance(callee, syntax.Name):
            return self._function(node, callee.name)
        return self.fault(node, "not-a-function", "what is called must be the name of a function")

    def _callee(self, callee: syntax.Expression | Operand) -> syntax.Expression | Operand | None:
        """What is called, after the variables of comprehensions are replaced."""
        for _ in range(MAX_NESTING):
            if not isinstance(callee, syntax.Name) or callee.name not in self.scope.variables:
                return callee
            callee = self.scope.variables[callee.name]
        return None  # a variable that stands for itself

    def _machine(self, node: syntax.Call) -> Operand:
        where = at(node.position)
        if len(node.arguments) == 1 and isinstance(node.arguments[0], syntax.ProcessorKind):
            return Operand(f"whole_machine(p, {where}, MAPPER_{node.arguments[0].kind})", SPACE)
        listed = self.collected(node.arguments, where)
        return Operand(f"machine_of(p, {where}, {listed})", SPACE)

    def _method(self, node: syntax.Call, method: syntax.Member) -> Operand:
        name, where = method.name, at(node.position)
        base, given = self._with_arguments(node, method)
        if name == "processor":
            if given is None:
                return self._wrong_count(node, "method-arity", name, 1)
            text = f"task_processor(p, {where}, {base.boxed}, {given[0].boxed})"
            return Operand(text, INTS)
        if name not in _TRANSFORMS:
            code = "has-always-fails" if name == "has" else "method-arity"
            return self.fault(node, code, f"{name} cannot be called")
        wanted = _TRANSFORMS[name]
        if given is None:
            return self._wrong_count(node, "method-arity", name, len(wanted))
        texts = [
            self.int_of(argument, node, "ARG_TYPE") if static is INT else argument.boxed
            for argument, static in zip(given, wanted, strict=True)
        ]
        space = f"as_space(p, {where}, {base.boxed}, {c_string(name)})"
        return Operand(f"space_{name}(p, {where}, {', '.join([space, *texts])})", SPACE)

    def _function(self, node: syntax.Call, name: str) -> Operand:
        definition = self.scope.globals.definitions.get(name)
        if definition is None or name in self.scope.locals:
            return self._no_function(node, name)
        parameters = definition.parameters
        given = self._arguments(node, len(parameters), "ARITY", name)
        if given is None:
            return self._wrong_count(node, "arity", name, len(parameters))
        if any(parameter.type == "Task" for parameter in parameters):
            return self.fault(node, "arg-type", f"{name} takes a task: only a launch calls it")
        where = at(node.position)
        statement = self.scope.globals.functions[name]
        if not self.scope.defined(statement):
            given = [self.body.settle(operand) for operand in given]
            self.body.line(f"require_function(p, {where}, {statement}, {c_string(name)});")
        pairs = zip(parameters, given, strict=True)
        texts = [_PARAMETERS[parameter.type](each, where) for parameter, each in pairs]
        static = self.scope.globals.type_of(name)
        return Operand(f"fn_{name}(p, {', '.join(texts)})", static)

    def _no_function(self, node: syntax.Call, name: str) -> Operand:
        for operand in self.each(node.arguments):
            self.body.drop(operand)
        if name in self.scope.locals or name in self.scope.globals.variables:
            return self.fault(node, "not-a-function", f"{name} is not a function")
        return self.fault(node, "undefined-function", f"the function {name} is not defined")

    def _with_arguments(
        self, node: syntax.Call, method: syntax.Member
    ) -> tuple[Operand, list[Operand] | None]:
        """What a method is called on, evaluated before its arguments, and these."""
        operand = self.emit(method.base)
        if not all(self._inert(argument) for argument in node.arguments):
            operand = self.body.settle(operand)
        count = 1 if method.name == "processor" else len(_TRANSFORMS.get(method.name, ()))
        return operand, self._arguments(node, count, "METHOD_ARITY", method.name)

    def _arguments(
        self, node: syntax.Call, count: int, code: str, name: str
    ) -> list[Operand] | None:
        """As many arguments as are wanted, or None if there are more or fewer."""
        operands = self.each(node.arguments)
        if any(operand.static is LOOSE for operand in operands):
            where = at(node.position)
            listed = self._list(len(operands), where)
            for operand in operands:
                self._push(listed, operand, where)
            self.body.line(
                f"require_count(p, {where}, MAPPER_{code}, {listed}, {count}, {c_string(name)});"
            )
            return [Operand(f"{listed}.items[{k}]", ITEM, settled=True) for k in range(count)]
        if len(operands) == count:
            return operands
        for operand in operands:
            self.body.drop(operand)
        return None

    def _wrong_count(self, node: syntax.Call, code: str, name: str, count: int) -> Operand:
        given = len(node.arguments)
        return self.fault(node, code, f"{name} takes {count} arguments, not {given}")


def is_int_literal(node: syntax.Expression) -> TypeGuard[syntax.TupleLiteral]:
    """Whether an expression is a tuple of integer literals, which is an int tuple (section 4)."""
    return isinstance(node, syntax.TupleLiteral) and all(
        isinstance(element, syntax.Integer) for element in node.elements
    )


def _constant(node: syntax.Expression) -> int | None:
    """The value of an integer literal, with its sign."""
    if isinstance(node, syntax.Negate) and isinstance(node.operand, syntax.Integer):
        return -node.operand.value if node.operand.value != INT_MIN else None
    return node.value if isinstance(node, syntax.Integer) else None


def _passed(tag: str, static: StaticType) -> Callable[[Operand, str], str]:
    """How an argument of a parameter's type is passed: checked where its type is not known."""

    def passed(operand: Operand, where: str) -> str:
        if operand.static is static:
            return operand.text
        if static in (INT, BOOL):
            return f"as_{tag.lower()}(p, {where}, MAPPER_ARG_TYPE, {operand.boxed})"
        return f"passed(p, {where}, {tag}, {operand.boxed})"

    return passed


_PARAMETERS: dict[str, Callable[[Operand, str], str]] = {
    "int": _passed("INT", INT),
    "bool": _passed("BOOL", BOOL),
    "IPoint": _passed("INTS", INTS),
    "ISpace": _passed("INTS", INTS),
    "MSpace": _passed("SPACE", SPACE),
}

_EMITTERS: dict[type, Callable[[Expressions, Any], Operand]] = {
    syntax.Integer: Expressions.integer,
    syntax.Boolean: Expressions.boolean,
    syntax.ProcessorKind: Expressions.processor_kind,
    syntax.MemoryKind: Expressions.memory_kind,
    syntax.Star: Expressions.star,
    syntax.MachineName: Expressions.machine_name,
    syntax.Name: Expressions.name,
    syntax.Binary: Expressions.binary,
    syntax.Negate: Expressions.negate,
    syntax.Conditional: Expressions.conditional,
    syntax.TupleLiteral: Expressions.tuple_literal,
    syntax.Unpack: Expressions.unpack,
    syntax.Comprehension: Expressions.comprehension,
    syntax.Index: Expressions.index,
    syntax.Slice: Expressions.slice,
    syntax.Member: Expressions.member,
    syntax.Call: Expressions.call,
}
