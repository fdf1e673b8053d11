"""An agent's studies over the Model Context Protocol (https://modelcontextprotocol.io)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from studies.errors import StudyError
from studies.versions import version_of

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from studies.agent.desk import Desk

__all__ = ["make_server"]

INSTRUCTIONS = """\
Find a fast mapper for a program on the Legion parallel runtime. list_cases says what there is;
describe_problem begins a study, or goes on with one, and returns the request: the language, the
program, the machine, and what was tried. check, evaluate and explain try a mapper out; submit
makes it the study's next trial and returns what came of it, with the next request.
"""

Result = TypeVar("Result")


def make_server(desk: Desk) -> MCPServer:
    """A server with the tools and resources of a desk.

    Args:
        desk: What they do.

    Raises:
        ImportError: The package mcp is not installed.
    """
    from mcp.server.mcpserver import MCPServer
    from mcp.types import ToolAnnotations

    server: MCPServer = MCPServer(
        "mappertune",
        instructions=INSTRUCTIONS,
        version=version_of("mappertune"),
        log_level="WARNING",
    )
    looks = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    writes = ToolAnnotations(
        read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False
    )

    @server.tool(annotations=looks)
    @_told
    def list_cases() -> dict[str, Any]:
        """The applications and machines there are, and the studies that were begun."""
        return desk.cases()

    @server.tool(annotations=writes)
    @_told
    def describe_problem(
        case: str,
        machine: str = "p100x4",
        nodes: int | None = None,
        parameters: dict[str, int | float | str] | None = None,
        trials: int = 10,
    ) -> dict[str, Any]:
        """The open request of a study: the problem, what was tried, how to answer.

        Args:
            case: A study that was begun, or an application, of which one is begun then.
            machine: Of a new study.
            nodes: Of a new study; left out for the machine's own number.
            parameters: Sizes of the application of a new study.
            trials: Mappers that a new study tries in all.
        """
        return desk.describe(case, machine, nodes, parameters or {}, trials)

    @server.tool(annotations=looks)
    @_told
    def check(case: str, mapper: str) -> list[dict[str, Any]]:
        """What can be known to be wrong with a mapper before it is run; empty where nothing is."""
        return desk.check(case, mapper)

    @server.tool(annotations=writes)
    @_told
    def evaluate(case: str, mapper: str) -> dict[str, Any]:
        """Runs a mapper beside the study's trials; counted against the evaluations."""
        return desk.evaluate(case, mapper)

    @server.tool(annotations=writes)
    @_told
    def explain(case: str, mapper: str) -> dict[str, Any]:
        """Why a mapper is slow or fails, and what to try; counted against the evaluations."""
        return desk.explain(case, mapper)

    @server.tool(annotations=writes)
    @_told
    def submit(case: str, reply: str) -> dict[str, Any]:
        """Answers the open request by a mapper, alone or in a whole reply: the next trial."""
        return desk.submit(case, reply)

    @server.resource("mappertune://manual", mime_type="text/markdown")
    @_told
    def manual() -> str:
        """The manual of the mapping language."""
        return desk.manual()

    @server.resource("mappertune://cases/{case}/history", mime_type="text/markdown")
    @_told
    def history(case: str) -> str:
        """What a study has tried, and its best mapper."""
        return desk.history(case)

    return server


def _told(work: Callable[..., Result]) -> Callable[..., Result]:
    """Lets the client read what is wrong with a call, without secrets."""
    from mcp.server.mcpserver.exceptions import ResourceError, ToolError

    from dsl.errors import MappertuneError
    from tuners.redaction import process_redactor

    kind = ResourceError if work.__name__ in ("manual", "history") else ToolError

    @functools.wraps(work)
    def safely(*words: Any, **named: Any) -> Result:
        try:
            return work(*words, **named)
        except (StudyError, MappertuneError) as error:
            raise kind(process_redactor().message(str(error))) from None

    return safely
