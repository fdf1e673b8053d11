"""A report as one HTML page: it needs no network and no other file.

Everything that users or models have written goes through Jinja's escaping, or through
`embedded_json`. Beside that the page's own policy (Content-Security-Policy) names by their digests
the only scripts that a browser may run in it, and forbids it to fetch anything.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from dsl.plain_text import plain
from studies.errors import UsageError
from studies.files import write_text
from studies.report.contents import ReportContents
from studies.report.sections import sections_of
from studies.versions import version_of
from tuners.redaction import process_redactor

__all__ = ["embedded_json", "page_of", "require_libraries", "write_page"]

LIBRARIES = {"plotly": "plotly", "jinja2": "jinja2"}
VERSIONS = ("mappertune", "optuna", "numpy", "plotly")


def require_libraries() -> None:
    """Raises a ``UsageError`` where what a page needs is not installed."""
    missing = [name for module, name in LIBRARIES.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UsageError(
            f"a page needs {' and '.join(missing)}: pip install 'mappertune[report]'; --csv does "
            "without"
        )


def write_page(contents: ReportContents, path: Path) -> None:
    """Writes a report as one HTML file.

    Raises:
        UsageError: What it needs is not installed.
        StorageError: It cannot be written.
    """
    write_text(path, page_of(contents))


def page_of(contents: ReportContents) -> str:
    """The page: equal for equal studies, libraries and places.

    Raises:
        UsageError: What it needs is not installed.
    """
    require_libraries()
    from jinja2 import Environment
    from markupsafe import Markup

    # What is printed is escaped and clean, whoever wrote it.
    environment = Environment(
        autoescape=True, finalize=_clean, trim_blocks=True, lstrip_blocks=True
    )
    figures: dict[str, Any] = {}
    scripts = (_plotly(), _file("page.js"))
    told = sections_of(contents, figures)
    return environment.from_string(_file("page.html")).render(
        told,
        policy=_policy(scripts),
        style=Markup(_file("page.css")),
        scripts=[Markup(each) for each in scripts],
        figures=Markup(embedded_json(figures)),
        versions=[(name, version_of(name)) for name in VERSIONS],
    )


def embedded_json(value: Any) -> str:
    r"""JSON that can stand in a script element: nothing in it ends that, or begins another.

    >>> embedded_json({"name": "</script><!--"})
    '{"name":"\\u003c/script\\u003e\\u003c!--"}'
    """
    written = json.dumps(process_redactor().value(value), separators=(",", ":"), allow_nan=False)
    for mark in "<>&":
        written = written.replace(mark, f"\\u{ord(mark):04x}")
    return written


def _clean(value: Any) -> Any:
    """Texts without secrets and control characters; marked ones are the page's own."""
    if type(value) is str:
        return process_redactor().text(plain(value))
    return value


def _policy(scripts: tuple[str, ...]) -> str:
    """What a browser may do with the page: run these scripts, and nothing else."""
    hashes = [hashlib.sha256(each.encode()).digest() for each in scripts]
    digests = [base64.b64encode(each).decode() for each in hashes]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return files("studies.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """The library, whose text ends no script element."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n").replace("</script", "<\\/script")
