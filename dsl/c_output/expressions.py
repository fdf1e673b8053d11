"""Expressions in C: each becomes a call of the policy's helpers, or plain arithmetic.

What is evaluated first in the language is evaluated first in C. C leaves the order of operands
and arguments open (gcc and clang differ), so one that can fail or print is settled in a temporary
before one that follows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from dsl import syntax
from dsl.c_output.body import Body, Operand, StaticType, at, c_integer, joined
from dsl.c_output.scope import Scope
from dsl.c_output.text import c_string
from dsl.limits import INT_MIN, MAX_NESTING

__all__ = ["Expressions"]

Conversion: TypeAlias = Callable[[Operand], Operand]

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
_INT_TUPLES = ("size", "ipoint", "ispace", "ilower")
_MEMBERS = {"volume": INT, "len": INT, **dict.fromkeys(_INT_TUPLES, INTS)}


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

    def int_of(self, node: syntax.Expression, code: str) -> Conversion:
        """Makes a C int of an operand."""
        return self._conversion("as_int", INT, node, code)

    def bool_of(self, node: syntax.Expression, code: str) -> Conversion:
        """Makes a C bool of an operand."""
        return self._conversion("as_bool", BOOL, node, code)

    def _conversion(
        self, name: str, static: StaticType, node: syntax.Expression, code: str
    ) -> Conversion:
        def convert(operand: Operand) -> Operand:
            if operand.static is static:
                return operand
            text = f"{name}(p, {at(node.position)}, MAPPER_{code}, {operand.boxed})"
            return Operand(text, static)

        return convert

    def converted(
        self, operands: Sequence[Operand], conversions: Sequence[Conversion]
    ) -> list[Operand]:
        """The operands as the arguments of one call.

        All are evaluated before the first is converted, and conversions fail in their order.
        """
        pairs = list(zip(operands, conversions, strict=True))
        arguments = [convert(operand) for operand, convert in pairs]
        if sum(not argument.settled for argument in arguments) < 2:
            return arguments
        settled = [(self.body.settle(operand), convert) for operand, convert in pairs]
        arguments = [convert(operand) for operand, convert in settled]
        last = max((k for k, each in enumerate(arguments) if not each.settled), default=-1)
        return [self.body.settle(each) if k < last else each for k, each in enumerate(arguments)]

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
            as_bool = self.bool_of(node, "TYPE_MISMATCH")
            a, b = self.converted((left, right), (as_bool, as_bool))
            return Operand(f"{_BOTH[node.operator]}({a.text}, {b.text})", BOOL)
        return self._comparison(node, left, right, where)

    def _arithmetic(
        self, node: syntax.Binary, left: Operand, right: Operand, where: str
    ) -> Operand:
        if INT in (left.static, right.static):
            as_int, verb = self.int_of(node, "TYPE_MISMATCH"), _ARITHMETIC[node.operator]
            a, b = self.converted((left, right), (as_int, as_int))
            return Operand(f"int_{verb}(p, {where}, {a.text}, {b.text})", INT)
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
        condition = self.bool_of(node.condition, "CONDITION_NOT_BOOL")(test).text
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
        conversions = [self.int_of(index, "BAD_INDEX") for index in node.indices]
        *arguments, base = self.converted((*indices, base), (*conversions, _as_is))
        numbers = [argument.text for argument in arguments]
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
        conversions = [self.int_of(bound, "BAD_INDEX") for bound in bounds]
        base, *given = self.converted(self.each((node.base, *bounds)), (_as_is, *conversions))
        numbers = [operand.text for operand in given]
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
        if node.name in ("ipoint", "ispace", "ilower", "parent"):
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
        as_int = self.int_of(node, "ARG_TYPE")
        conversions = [as_int if static is INT else _as_is for static in wanted]

        def as_space(operand: Operand) -> Operand:
            text = f"as_space(p, {where}, {operand.boxed}, {c_string(name)})"
            return Operand(text, SPACE, pointer="const space *")

        arguments = self.converted((base, *given), (as_space, *conversions))
        texts = [
            argument.text if static is INT else argument.boxed
            for argument, static in zip(arguments, (SPACE, *wanted), strict=True)
        ]
        return Operand(f"space_{name}(p, {where}, {', '.join(texts)})", SPACE)

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
        conversions = [_PARAMETERS[parameter.type](where) for parameter in parameters]
        texts = [argument.text for argument in self.converted(given, conversions)]
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


def _as_is(operand: Operand) -> Operand:
    return operand


def _passed(tag: str, static: StaticType) -> Callable[[str], Conversion]:
    """How an argument of a parameter's type is passed: checked where its type is not known."""

    def passed(where: str) -> Conversion:
        def convert(operand: Operand) -> Operand:
            if operand.static is static:
                return operand
            if static in (INT, BOOL):
                text = f"as_{tag.lower()}(p, {where}, MAPPER_ARG_TYPE, {operand.boxed})"
            else:
                text = f"passed(p, {where}, {tag}, {operand.boxed})"
            return Operand(text, static)

        return convert

    return passed


_PARAMETERS: dict[str, Callable[[str], Conversion]] = {
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
