"""What the language passes over silently: unknown names, hidden rules, functions without use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsl import syntax
from dsl.checks.context import CheckContext
from dsl.checks.diagnostics import Diagnostic
from dsl.evaluation.evaluate import undefined_hint
from dsl.machine_shape import PROCESSOR_KINDS
from dsl.nearest import did_you_mean
from dsl.syntax import children, walk

__all__ = ["check_functions", "check_names", "check_silent", "tasks_named_in"]


# Names


def check_names(context: CheckContext) -> Iterator[Diagnostic]:
    """Reports tasks and regions that do not exist, with the nearest name that does."""
    for rule in context.program.statements:
        for task in tasks_named_in(rule):
            yield from _task(context, rule, task)
        if isinstance(rule, syntax.Region | syntax.Layout):
            yield from _region(context, rule, rule.tasks, rule.region)
        elif isinstance(rule, syntax.CollectMemory):
            yield from _region(context, rule, (rule.task,), rule.region)


def tasks_named_in(rule: syntax.Statement) -> Sequence[str]:
    """The tasks that a rule names, ``*`` and processor kinds aside."""
    names: Sequence[str] = ()
    if isinstance(rule, syntax.Task | syntax.Region | syntax.Layout | syntax.ControlReplicate):
        names = rule.tasks
    elif isinstance(rule, syntax.InstanceLimit | syntax.CollectMemory):
        names = (rule.task,)
    elif isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
        names = [key for key in rule.keys if key not in PROCESSOR_KINDS]
    return [name for name in names if name != "*"]


def _task(context: CheckContext, rule: syntax.Statement, task: str) -> Iterator[Diagnostic]:
    known = context.application.tasks
    # The task that Legion starts with launches the others and is launched by none.
    if task in known or isinstance(rule, syntax.ControlReplicate):
        return
    yield context.diagnostic(
        "unknown-task",
        rule.position,
        f"{context.application.name} has no task {task}: the statement has no effect",
        did_you_mean(task, known),
    )


def _region(
    context: CheckContext, rule: syntax.Statement, tasks: Sequence[str], region: str
) -> Iterator[Diagnostic]:
    asked = context.tasks_of(tasks)
    if region == "*" or not asked:
        return
    names = {name: None for task in asked for r in task.requirements for name in r.names}
    wanted = str(int(region)) if region.isdecimal() else region
    if wanted in names:
        if not any(wanted in r.names and r.fields for task in asked for r in task.requirements):
            yield context.diagnostic(
                "region-without-data",
                rule.position,
                f"{' and '.join(task.name for task in asked[:3])} asks for no data of {region}: "
                "the statement has no effect",
                "leave the statement out",
            )
        return
    who = context.application.name if "*" in tasks else ", ".join(tasks)
    semantic = [name for name in names if not name.isdecimal()]
    yield context.diagnostic(
        "unknown-region",
        rule.position,
        f"{who} has no region argument {region}: the statement has no effect",
        did_you_mean(region, semantic) or None,
    )


# Functions


def check_functions(context: CheckContext) -> Iterator[Diagnostic]:
    """What can be seen without calling the functions, some of which are never called."""
    yield from _definitions(context)
    yield from _unused(context)
    functions = {f.name for f in context.rules(syntax.FunctionDefinition)}
    variables = {a.name for a in context.rules(syntax.Assignment)}
    for function in context.rules(syntax.FunctionDefinition):
        yield from _body(context, function)
        yield from _names(context, function, functions, variables)


def _definitions(context: CheckContext) -> Iterator[Diagnostic]:
    defined: set[str] = set()
    for statement in context.program.statements:
        if isinstance(statement, syntax.FunctionDefinition) and statement.name in defined:
            yield context.diagnostic(
                "function-redefined",
                statement.position,
                f"{statement.name} is defined already: this definition has no effect",
                "give it another name, or take one of the two out",
            )
        if isinstance(statement, syntax.FunctionDefinition | syntax.Assignment):
            defined.add(statement.name)


def _unused(context: CheckContext) -> Iterator[Diagnostic]:
    used: set[str] = set()
    for node in walk(context.program):
        if isinstance(node, syntax.IndexTaskMap | syntax.SingleTaskMap):
            used.add(node.function)
        elif isinstance(node, syntax.Name):
            used.add(node.name)
    for function in context.rules(syntax.FunctionDefinition):
        if function.name not in used:
            used.add(function.name)  # a second definition is reported as such
            yield context.diagnostic(
                "function-unused",
                function.position,
                f"nothing uses the function {function.name}",
                _use_of(function),
            )


def _use_of(function: syntax.FunctionDefinition) -> str:
    """What can be done with a function that nothing uses."""
    if [parameter.type for parameter in function.parameters] != ["Task"]:
        return f"call {function.name} from a mapping function, or leave it out"
    members = {node.name for node in walk(function) if isinstance(node, syntax.Member)}
    kind = "SingleTaskMap" if members & {"parent", "processor"} else "IndexTaskMap"
    return f"map a task by it, {kind} TASK {function.name};, or leave it out"


def _body(context: CheckContext, function: syntax.FunctionDefinition) -> Iterator[Diagnostic]:
    known = {parameter.name for parameter in function.parameters}
    returned = False
    for statement in function.body:
        if returned:
            yield context.diagnostic(
                "unreachable",
                statement.position,
                "this stands behind a return and is never carried out",
                "choose between values with ? :",
            )
            return
        if isinstance(statement, syntax.Assignment):
            if statement.name in known:
                yield context.diagnostic(
                    "local-reassigned",
                    statement.position,
                    f"{statement.name} has a value already and keeps it",
                    "give the new value another name",
                )
            known.add(statement.name)
        returned = isinstance(statement, syntax.Return)


def _names(
    context: CheckContext,
    function: syntax.FunctionDefinition,
    functions: set[str],
    variables: set[str],
) -> Iterator[Diagnostic]:
    """Checks for names that no call of the function can find."""
    known = {p.name for p in function.parameters} | functions | variables
    known |= {s.name for s in function.body if isinstance(s, syntax.Assignment)}
    known |= {n.variable for n in walk(function) if isinstance(n, syntax.Comprehension)}
    stack = list(reversed(function.body))
    while stack:
        node: object = stack.pop()
        below = children(node)
        if isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name):
            name = node.function.name
            below = list(node.arguments)
            if name not in known:
                hint = did_you_mean(name, functions) or "define it"
                sentence = f"the function {name} is not defined"
                yield context.diagnostic("undefined-function", node.position, sentence, hint)
        elif isinstance(node, syntax.Name) and node.name not in known:
            hint = undefined_hint(node.name, sorted(known)) or "define it"
            sentence = f"{node.name} is not defined"
            yield context.diagnostic("undefined-name", node.position, sentence, hint)
        stack += reversed(below)


# Rules


def check_silent(context: CheckContext) -> Iterator[Diagnostic]:
    """Reports rules without effect, and rules that others hide."""
    yield from _hidden(context)
    for layout in context.rules(syntax.Layout):
        if layout.exact and not layout.compact:
            yield context.diagnostic(
                "exact-without-compact",
                layout.position,
                "Exact has an effect only together with Compact",
                "add Compact, or leave Exact out",
            )
    for limit in context.rules(syntax.InstanceLimit):
        if limit.limit == 0:
            yield context.diagnostic(
                "limit-no-effect",
                limit.position,
                f"a limit of 0 lets any number of instances of {limit.task} run at once",
                "the least limit is 1",
            )
    yield from _maps(context)
    yield from _collections(context)


def _keys(rule: syntax.Statement) -> list[tuple[str, ...]]:
    """The keys of the tables that a rule fills (section 10)."""
    if isinstance(rule, syntax.Task):
        return [("Task", task) for task in rule.tasks]
    if isinstance(rule, syntax.Region):
        return [("Region", task, rule.region, rule.processor) for task in rule.tasks]
    if isinstance(rule, syntax.Layout):
        place = "*" if rule.place == "VIRTUAL" else rule.place
        return [("Layout", task, rule.region, place) for task in rule.tasks]
    if isinstance(rule, syntax.InstanceLimit):
        return [("InstanceLimit", rule.task)]
    if isinstance(rule, syntax.IndexTaskMap):
        return [("IndexTaskMap", key) for key in rule.keys]
    if isinstance(rule, syntax.SingleTaskMap):
        return [("SingleTaskMap", key) for key in rule.keys]
    return []


def _hidden(context: CheckContext) -> Iterator[Diagnostic]:
    first: dict[tuple[str, ...], syntax.Statement] = {}
    for rule in context.program.statements:
        for key in _keys(rule):
            earlier = first.setdefault(key, rule)
            if earlier is rule:
                continue
            line = earlier.position.line if earlier.position else "?"
            yield context.diagnostic(
                "rule-hidden",
                rule.position,
                f"{' '.join(key)} was decided in line {line}: the first statement counts",
                "take one of the two out",
            )


def _maps(context: CheckContext) -> Iterator[Diagnostic]:
    tasks = context.application.tasks
    for rule in context.program.statements:
        if not isinstance(rule, syntax.IndexTaskMap | syntax.SingleTaskMap):
            continue
        index = isinstance(rule, syntax.IndexTaskMap)
        word = "IndexTaskMap" if index else "SingleTaskMap"
        for key in rule.keys:
            if key == "*":
                yield context.diagnostic(
                    "wildcard-map",
                    rule.position,
                    f"{word} * has no effect",
                    f"name the tasks, or a processor kind: {word} GPU {rule.function};",
                )
            elif key in tasks and not (
                tasks[key].launch_domains if index else tasks[key].launched_singly
            ):
                how = "only as single tasks" if index else "only in index launches"
                yield context.diagnostic(
                    "map-no-effect", rule.position, f"{key} is launched {how}: no effect"
                )


def _collections(context: CheckContext) -> Iterator[Diagnostic]:
    for rule in context.rules(syntax.CollectMemory):
        chosen = [
            requirement
            for task in context.tasks_of((rule.task,))
            for requirement in task.requirements
            if rule.region in ("*", *requirement.names)
        ]
        if chosen and not any(r.privilege == "READ_ONLY" for r in chosen):
            yield context.diagnostic(
                "collect-no-effect",
                rule.position,
                f"{rule.task} only writes {rule.region}: nothing is collected",
            )
