"""The syntax tree of the mapping language: what a mapper's text says, before it means anything.

Every node is frozen and compares by content: positions do not count, so two texts that differ in
spacing and comments alone have equal trees. Sections are those of the language reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

__all__ = [
    "Align",
    "Assignment",
    "Binary",
    "Boolean",
    "Call",
    "CollectMemory",
    "Comprehension",
    "Conditional",
    "ControlReplicate",
    "Expression",
    "FunctionDefinition",
    "Index",
    "IndexTaskMap",
    "InstanceLimit",
    "Integer",
    "Layout",
    "MachineName",
    "Member",
    "MemoryKind",
    "Name",
    "Negate",
    "Parameter",
    "Position",
    "Print",
    "ProcessorKind",
    "Program",
    "Region",
    "Return",
    "SingleTaskMap",
    "Slice",
    "Star",
    "Statement",
    "Task",
    "TupleLiteral",
    "Unpack",
    "children",
    "nests_deeper",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Position:
    """A stretch of the text; lines and columns count from 1, the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    position: Position | None = field(default=None, compare=False, repr=False)


# Expressions (section 3)


@dataclass(frozen=True, slots=True)
class Integer(_Node):
    """A decimal literal, already brought to 32 bits (section 1)."""

    value: int


@dataclass(frozen=True, slots=True)
class Boolean(_Node):
    """``True`` or ``False``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(_Node):
    """An identifier in an expression."""

    name: str


@dataclass(frozen=True, slots=True)
class MachineName(_Node):
    """The word ``Machine``: the constructor of machine spaces."""


@dataclass(frozen=True, slots=True)
class ProcessorKind(_Node):
    """A processor kind as an expression, such as ``GPU``."""

    kind: str


@dataclass(frozen=True, slots=True)
class MemoryKind(_Node):
    """A memory kind as an expression, such as ``FBMEM``."""

    kind: str


@dataclass(frozen=True, slots=True)
class TupleLiteral(_Node):
    """``(a, b, ...)`` of two or more elements, among which may be stars and unpacks."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Binary(_Node):
    """``left operator right``; both operands are always evaluated, left first."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Negate(_Node):
    """Unary minus."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Conditional(_Node):
    """``condition ? then : otherwise``; left-associative, and lazy."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Call(_Node):
    """``function(arguments)``; of a function, a machine method, a task method or ``Machine``."""

    function: Expression
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Index(_Node):
    """``base[indices]``."""

    base: Expression
    indices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Slice(_Node):
    """``base[lower:upper]`` where either bound may be missing."""

    base: Expression
    lower: Expression | None
    upper: Expression | None


@dataclass(frozen=True, slots=True)
class Member(_Node):
    """``base.name`` where the name is one of the reserved member words."""

    base: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Star(_Node):
    """A bare ``*``: every index along a dimension of a machine."""


@dataclass(frozen=True, slots=True)
class Unpack(_Node):
    """``*operand``: the elements of a tuple, spliced into the list around it."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Comprehension(_Node):
    """``tuple(element for variable in (elements))``."""

    element: Expression
    variable: str
    elements: tuple[Expression, ...]


Expression: TypeAlias = (
    Integer
    | Boolean
    | Name
    | MachineName
    | ProcessorKind
    | MemoryKind
    | TupleLiteral
    | Binary
    | Negate
    | Conditional
    | Call
    | Index
    | Slice
    | Member
    | Star
    | Unpack
    | Comprehension
)


# Statements (section 2). ``"*"`` stands for every task, region, processor or memory kind.


@dataclass(frozen=True, slots=True)
class Task(_Node):
    """``Task tasks kinds;`` in order of preference."""

    tasks: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region(_Node):
    """``Region tasks region processor memories;`` in order of preference.

    ``region`` is a name, ``"*"`` or a requirement index in decimal; ``processor`` is a kind or
    ``"*"``.
    """

    tasks: tuple[str, ...]
    region: str
    processor: str
    memories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Align:
    """An alignment constraint in bytes: ``operator`` is one of ``== != < <= > >=``."""

    operator: str
    bytes: int

    @property
    def possible(self) -> bool:
        """Whether code can use fields that are aligned so: by a power of two."""
        return self.bytes > 0 and self.bytes & (self.bytes - 1) == 0


@dataclass(frozen=True, slots=True)
class Layout(_Node):
    """``Layout tasks region place constraints;``, the constraint words folded (section 2).

    ``place`` is a memory kind, a processor kind (an extension) or ``"*"``. The constraint words
    may come in any order and later ones overwrite earlier ones: only the outcome is kept here.
    """

    tasks: tuple[str, ...]
    region: str
    place: str
    soa: bool = True
    c_order: bool = False
    compact: bool = False
    exact: bool = False
    align: Align | None = None


@dataclass(frozen=True, slots=True)
class InstanceLimit(_Node):
    """``InstanceLimit task limit;``."""

    task: str
    limit: int


@dataclass(frozen=True, slots=True)
class CollectMemory(_Node):
    """``CollectMemory task region;``."""

    task: str
    region: str


@dataclass(frozen=True, slots=True)
class IndexTaskMap(_Node):
    """``IndexTaskMap keys function;`` where the keys are tasks, ``"*"`` or one processor kind."""

    keys: tuple[str, ...]
    function: str


@dataclass(frozen=True, slots=True)
class SingleTaskMap(_Node):
    """``SingleTaskMap keys function;``."""

    keys: tuple[str, ...]
    function: str


@dataclass(frozen=True, slots=True)
class ControlReplicate(_Node):
    """``ControlReplicate tasks;``."""

    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assignment(_Node):
    """``name = value;``."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Return(_Node):
    """``return value;``."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Print(_Node):
    """``print("format", arguments);``."""

    format: str
    arguments: tuple[Expression, ...]


ParameterType: TypeAlias = Literal["int", "bool", "IPoint", "ISpace", "MSpace", "Task"]


@dataclass(frozen=True, slots=True)
class Parameter(_Node):
    """``type name`` in a function's head."""

    type: ParameterType
    name: str


@dataclass(frozen=True, slots=True)
class FunctionDefinition(_Node):
    """``def name(parameters) { body }``."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Assignment | Return | Print, ...]


Statement: TypeAlias = (
    Task
    | Region
    | Layout
    | InstanceLimit
    | CollectMemory
    | IndexTaskMap
    | SingleTaskMap
    | ControlReplicate
    | Assignment
    | FunctionDefinition
    | Print
)


@dataclass(frozen=True, slots=True)
class Program:
    """A whole mapper: its statements in text order, and the text they came from."""

    statements: tuple[Statement, ...]
    source: str = field(default="", compare=False, repr=False)
    filename: str | None = field(default=None, compare=False)


_attributes: dict[Any, tuple[str, ...]] = {}


def children(node: Any) -> list[Any]:
    """The nodes directly under a node of the syntax tree, in text order."""
    kind = type(node)
    if kind not in _attributes:
        _attributes[kind] = tuple(f.name for f in fields(kind) if f.name != "position")
    found = []
    for attribute in _attributes[kind]:
        value = getattr(node, attribute)
        if hasattr(value, "__dataclass_fields__"):
            found.append(value)
        elif type(value) is tuple:
            found += [item for item in value if hasattr(item, "__dataclass_fields__")]
    return found


def walk(node: Any) -> Iterator[Any]:
    """The node and all nodes under it, each before those under it, in text order."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        stack += reversed(children(top))


def nests_deeper(node: Any, limit: int) -> bool:
    """Whether some path down from the node has more than ``limit`` nodes."""
    level = [node]
    for _ in range(limit):
        level = [child for parent in level for child in children(parent)]
        if not level:
            return False
    return True
