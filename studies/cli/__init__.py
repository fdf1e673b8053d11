"""The command line: ``mappertune``.

Each command is a module with a function ``run``; what a command needs is loaded when it runs, so
that ``mappertune --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType

from studies.cli.arguments import WrongUseError, parse_arguments
from studies.cli.console import fail, safe, set_loudness
from studies.stops import exit_code_of, signal_of, stoppable

__all__ = ["main"]

WRONG_USE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Codes: 0 done; 1 the answer is no, or the work could not be finished; 2 wrong use; 128 and the
    number of the signal that stopped it: 130 for Ctrl-C, 143 for SIGTERM. Under ``--json`` an
    error is a JSON document on standard output, beside the sentence on standard error.
    """
    as_json = "--json" in (sys.argv[1:] if argv is None else argv)
    try:
        arguments = parse_arguments(argv)
    except WrongUseError as error:
        return fail(str(error), WRONG_USE, kind="UsageError", as_json=as_json)
    as_json = arguments.json
    set_loudness(quiet=arguments.quiet, verbose=arguments.verbose)
    sys.excepthook = _tell_fault
    try:
        with stoppable():
            code: int = importlib.import_module(arguments.module).run(arguments)
            sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()  # whoever read it has seen enough
        return 0
    except KeyboardInterrupt as stop:
        code = exit_code_of(signal_of(stop))
        return fail("stopped", code, kind="Interrupted", as_json=as_json)
    except Exception as error:
        failure = _failure(error)
        if failure is None:
            raise
        if arguments.verbose:
            traceback.print_exc()
        if isinstance(error, OSError):
            _forget_output()
        sentence, code = failure
        fail(sentence, code, kind=type(error).__name__, as_json=as_json)
    return code


def _tell_fault(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """The traceback of what nobody foresaw, without secrets."""
    from traceback import format_exception

    sys.stderr.write(safe("".join(format_exception(kind, error, trace))))


def _forget_output() -> None:
    """Lets what is still to be written go nowhere, so that Python does not fail at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failure(error: Exception) -> tuple[str, int] | None:
    """The sentence and exit code of an error that is the user's to mend; None for our own."""
    from dsl.errors import MappertuneError  # only when something went wrong
    from studies.errors import ClusterError, ModelMissingError, StorageError, StudyError
    from studies.files import why

    if isinstance(error, (StudyError, MappertuneError)):
        unfinished = isinstance(error, (StorageError, ModelMissingError, ClusterError))
        return str(error), 1 if unfinished else 2
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{why(error)}", 1
    return None
