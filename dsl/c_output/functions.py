"""Functions and the top level of a mapper, as functions in C."""

from __future__ import annotations

from dsl import syntax
from dsl.c_output.body import Body, Operand, StaticType, at, c_type
from dsl.c_output.expressions import Expressions
from dsl.c_output.scope import Globals, Scope
from dsl.c_output.text import c_comment, c_string
from dsl.evaluation.code import Code, compile_body
from dsl.syntax import walk
from dsl.unparse import unparse_statement

__all__ = ["is_mapping_function", "prototype", "top_level", "write_function"]

_PARAMETER_TYPES = {
    "int": StaticType.INT,
    "bool": StaticType.BOOL,
    "IPoint": StaticType.INTS,
    "ISpace": StaticType.INTS,
    "MSpace": StaticType.SPACE,
}
_RETURNABLE = (
    StaticType.NEVER,
    StaticType.INT,
    StaticType.BOOL,
    StaticType.INTS,
    StaticType.TUPLE,
    StaticType.PLACE,
)
# A call of a long function counts as several steps.
_NODES_PER_STEP = 100
# A function with more locals keeps them in the arena, so that its stack frame stays small.
_MANY_LOCALS = 256


def is_mapping_function(definition: syntax.FunctionDefinition) -> bool:
    """Whether a launch can call it: it has one parameter, a task."""
    return [parameter.type for parameter in definition.parameters] == ["Task"]


def prototype(definition: syntax.FunctionDefinition, names: Globals) -> list[str]:
    """The C declaration of a function: it may be called before its definition."""
    if not _callable(definition):
        return []
    return [f"{_Function(definition, names).head()};"]


def write_function(definition: syntax.FunctionDefinition, names: Globals) -> list[str]:
    """Writes a function of the mapper in C, and notes the type of its result in the names."""
    comment = c_comment(f"{_line(definition)}: {_first_line(definition)}")
    if not _callable(definition):
        return [
            comment,
            "/* Nothing can call it: a launch passes one task and nothing else. */",
            "",
        ]
    return [comment, *_Function(definition, names).text(), ""]


def _callable(definition: syntax.FunctionDefinition) -> bool:
    """Whether a launch or another function can call it (section 8)."""
    types = [parameter.type for parameter in definition.parameters]
    return is_mapping_function(definition) or bool(types and "Task" not in types)


def _first_line(definition: syntax.FunctionDefinition) -> str:
    return unparse_statement(definition).partition("{")[0].rstrip()


def _line(node: syntax.Statement | syntax.Return) -> int:
    return node.position.line if node.position else 0


class _Statements:
    """Statements of a function or of the top level."""

    def __init__(self, scope: Scope, code: Code | None = None) -> None:
        self.body = Body()
        self.scope = scope
        self.expressions = Expressions(self.body, scope, _refused(code or []))

    def comment(self, statement: syntax.Statement | syntax.Return) -> None:
        self.body.line(c_comment(f"{_line(statement)}: {unparse_statement(statement)}"))

    def assignable(self, statement: syntax.Assignment) -> Operand:
        """The value to assign, checked where some values cannot be assigned."""
        operand = self.expressions.whole(statement.value)
        if operand.static < StaticType.PLACE:
            return operand
        text = f"assignable(p, {at(statement.position)}, {operand.text})"
        return Operand(text, StaticType.ANY)

    def say(self, statement: syntax.Print) -> None:
        """Writes a print statement: its text, with a value in place of each {}."""
        where = at(statement.position)
        first, *rest = statement.format.split("{}")
        if len(statement.arguments) < len(rest):
            sentence = f"print has {len(rest)} {{}} and {len(statement.arguments)} arguments"
            self.body.drop(self.expressions.fault(statement, "print-args", sentence))
            return
        # Surplus arguments are not evaluated (section 2).
        operands = self.expressions.each(statement.arguments[: len(rest)])
        values = [self.body.settle(operand) for operand in operands]
        for value in values:
            if value.static not in (StaticType.INT, StaticType.BOOL, StaticType.INTS):
                self.body.line(f"require_printable(p, {where}, {value.text});")
        self.body.line(f"say(p, {c_string(first)});")
        for value, text in zip(values, rest, strict=True):
            self.body.line(f"say_value(p, {value.boxed});")
            if text:
                self.body.line(f"say(p, {c_string(text)});")
        self.body.line('say(p, "\\n");')


def _refused(code: Code) -> dict[int, tuple[str, str]]:
    """The expressions that are beyond the bounds once their comprehensions are written out."""
    return {
        id(node): argument[:2]
        for operation, argument, node in code
        if operation == "fail" and argument[0] in ("too-large", "too-deep")
    }


class _Function(_Statements):
    """One function."""

    def __init__(self, definition: syntax.FunctionDefinition, names: Globals) -> None:
        super().__init__(Scope(names), compile_body(definition))
        self.definition = definition
        # A mapping function returns what the tables hold, whatever its type turns out to be.
        mapping = is_mapping_function(definition)
        self.declared = StaticType.ANY if mapping else names.type_of(definition.name)
        self.declarations: list[tuple[int, str]] = []
        assigned = {s.name for s in definition.body if isinstance(s, syntax.Assignment)}
        self.in_arena = len(assigned) if len(assigned) > _MANY_LOCALS else 0

    def head(self) -> str:
        """The function's type, name and parameters."""
        parameters = ", ".join(["mapper_policy *p", *self._parameters()])
        return f"HELPER {c_type(self.declared)} fn_{self.definition.name}({parameters})"

    def text(self) -> list[str]:
        head, where = self.head(), at(self.definition.position)
        steps = 1 + sum(1 for _ in walk(self.definition)) // _NODES_PER_STEP
        self.body.line(f"enter(p, {where}, {steps});")
        if self.in_arena:
            count = f"{self.in_arena}, sizeof(value)"
            self.body.line(f"value *locals = allocate(p, {where}, {count});")
        self._statements()
        for index, name in reversed(self.declarations):
            if name not in self.scope.used:
                self.body.lines.insert(index, f"{self.body.margin}(void){name};")
        return [head, "{", *self.body.lines, "}"]

    def _parameters(self) -> list[str]:
        """The declarations of the parameters; where two have one name, the first counts."""
        listed = []
        for k, parameter in enumerate(self.definition.parameters):
            if parameter.type == "Task":
                self._task(f"v_{parameter.name}", parameter.name)
                continue
            static = _PARAMETER_TYPES[parameter.type]
            name = f"v_{parameter.name}"
            if parameter.name in self.scope.locals:
                name = f"hidden_{k}"
            self.scope.locals.setdefault(parameter.name, Operand(name, static, settled=True))
            self.declarations.append((0, name))
            listed.append(f"{c_type(static)} {name}")
        return listed

    def _task(self, name: str, parameter: str) -> None:
        """The mapped task, which C does not pass."""
        self.body.line(f"value {name} = of_tag(TASK, 0);")
        self.declarations.append((1, name))
        self.scope.locals[parameter] = Operand(name, StaticType.TASK, settled=True)

    def _statements(self) -> None:
        for statement in self.definition.body:
            self.comment(statement)
            if isinstance(statement, syntax.Return):
                self._return(statement)
                return
            if isinstance(statement, syntax.Print):
                self.say(statement)
            else:
                self._assign(statement)
        sentence = f"the function {self.definition.name} ends without return"
        self._leave(self.expressions.fault(self.definition, "NO_RETURN", sentence))

    def _assign(self, statement: syntax.Assignment) -> None:
        operand = self.assignable(statement)
        if statement.name in self.scope.locals:
            self.body.drop(operand)
        elif self.in_arena:
            text = f"locals[{len(self.scope.locals)}]"
            self.body.line(f"{text} = {operand.boxed};")
            if operand.static in (StaticType.INT, StaticType.BOOL):
                text += ".as.i"
            self.scope.locals[statement.name] = Operand(text, operand.static, settled=True)
        else:
            name = f"v_{statement.name}"
            self.body.line(f"{c_type(operand.static)} {name} = {operand.text};")
            self.declarations.append((len(self.body.lines), name))
            self.scope.locals[statement.name] = Operand(name, operand.static, settled=True)

    def _return(self, statement: syntax.Return) -> None:
        operand = self.expressions.whole(statement.value)
        if operand.static not in _RETURNABLE:
            text = f"returnable(p, {at(statement.position)}, {operand.boxed})"
            operand = Operand(text, StaticType.ANY)
        self._leave(operand)

    def _leave(self, operand: Operand) -> None:
        self.scope.globals.noted[self.definition.name] = operand.static
        text = operand.held_as(self.declared)
        self.body.line(f"{c_type(self.declared)} result = {text};")
        self.body.line("leave(p);")
        self.body.line("return result;")


def top_level(program: syntax.Program, names: Globals) -> list[str]:
    """The C function that runs the statements of the top level, in order."""
    return _TopLevel(names).text(program)


class _TopLevel(_Statements):
    """The top level: what it assigns and prints, and the functions that its maps name."""

    def __init__(self, names: Globals) -> None:
        super().__init__(Scope(names))

    def text(self, program: syntax.Program) -> list[str]:
        for number, statement in enumerate(program.statements):
            self.scope.statement = number
            if isinstance(statement, syntax.Assignment):
                self._assign(statement, number)
            elif isinstance(statement, syntax.Print):
                self._begin(statement, number)
                self.say(statement)
            elif isinstance(statement, syntax.IndexTaskMap | syntax.SingleTaskMap):
                self._require_mapping_function(statement)
        lines = self.body.lines or ["    (void)p;"]
        return ["HELPER void run_top_level(mapper_policy *p)", "{", *lines, "}", ""]

    def _begin(self, statement: syntax.Assignment | syntax.Print, number: int) -> None:
        self.comment(statement)
        if number >= self.scope.globals.first_call:
            self.body.line(f"p->statement = {number};")

    def _assign(self, statement: syntax.Assignment, number: int) -> None:
        self._begin(statement, number)
        operand = self.assignable(statement)
        names = self.scope.globals
        if names.variables.get(statement.name) != number:
            sentence = f"{statement.name} is already defined"
            self.body.drop(operand)
            self.body.drop(self.expressions.fault(statement, "duplicate-global", sentence))
            return
        names.noted[statement.name] = operand.static
        self.body.line(f"p->globals[GLOBAL_{statement.name}] = {operand.boxed};")

    def _require_mapping_function(
        self, statement: syntax.IndexTaskMap | syntax.SingleTaskMap
    ) -> None:
        name = statement.function
        definition = self.scope.globals.definitions.get(name)
        functions = self.scope.globals.functions
        if definition is None and self.scope.defined_variable(name):
            code, sentence = "not-a-function", f"{name} is not a function"
        elif definition is None or not self.scope.defined(functions[name]):
            code, sentence = "undefined-function", f"the function {name} is not defined here"
        elif not is_mapping_function(definition):
            code = "entry-signature"
            sentence = f"{name} must take one parameter of type Task to map tasks"
        else:
            return
        self.comment(statement)
        self.body.drop(self.expressions.fault(statement, code, sentence))
