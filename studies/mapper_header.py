"""The first line of a mapper's file, which says what the mapper is for."""

from __future__ import annotations

import re

__all__ = ["application_in", "mapper_header"]


def mapper_header(application: str, remark: str) -> str:
    r"""A comment that names the application.

    >>> mapper_header("stencil", "the expert's")
    "# mapper of stencil: the expert's\n"
    """
    return f"# mapper of {application}: {remark}\n"


def application_in(text: str) -> str | None:
    r"""The application that a file's first line names; None where it names none.

    >>> application_in("# mapper of stencil: the expert's\nTask * GPU;")
    'stencil'
    """
    found = re.match(r"# mapper of ([\w-]+):", text)
    return found[1] if found else None
