"""Which mapper a study tries first, before its tuner has a say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studies.errors import UsageError
from studies.files import read_text
from tuners.problems.start import Start

if TYPE_CHECKING:
    from tuners import MapperProblem

__all__ = ["STARTS", "start_of"]

#: Starts that have a name; others are files of mappers.
STARTS = ("default", "expert", "none")


def start_of(problem: MapperProblem, named: str) -> Start | None:
    """The start of that name; None for ``"none"``, where the tuner chooses.

    Args:
        problem: What is tuned. A program that is measured starts from the mapper that it has.
        named: ``"default"`` (the template's defaults), ``"expert"``, ``"none"``, or the path of
            a mapper's file.

    Raises:
        UsageError: There is no such mapper, or it cannot be read.
    """
    import dsl  # noqa: PLC0415  (the command line answers before it is loaded)

    if named == "none":
        return None
    if named == "default":
        return problem.start or Start("default", problem.template.defaults())
    if named == "expert":
        text = problem.application.mappers.get("expert")
        if text is None:
            raise UsageError(
                f"{problem.application.name} has no expert mapper to start from: say --start "
                "default, none, or the file of a mapper"
            )
        return _from_text(problem, text, "expert")
    text = read_text(named)
    try:
        dsl.parse(text, filename=named)
    except dsl.MapperSyntaxError as error:
        raise UsageError(f"--start {named} is no mapper: {error}") from None
    return _from_text(problem, text, f"mapper {problem.identity(text)}")


def _from_text(problem: MapperProblem, text: str, name: str) -> Start:
    found = problem.project(text)
    return Start(name, found.values, None if found.exact else text)
