"""What a check finds in a mapper, as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsl import MapperSyntaxError
    from tuners import Finding

__all__ = ["finding_as_json", "syntax_error_as_json"]


def syntax_error_as_json(error: MapperSyntaxError) -> dict[str, Any]:
    """A syntax error as JSON values."""
    return {
        "code": error.code,
        "severity": "error",
        "line": error.line,
        "column": error.column,
        "sentence": error.sentence,
        "suggestion": error.hint,
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """A diagnostic as JSON values."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "line": finding.position.line if finding.position else None,
        "column": finding.position.column if finding.position else None,
        "sentence": finding.sentence,
        "suggestion": finding.suggestion,
    }
