"""The commands and their options."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from studies.cli.model_options import add_model_options, add_prompt_options
from studies.cli.numbers import count, positive

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction["_Parser"]  # noqa: SLF001  (no public name)

__all__ = ["parse_arguments"]

EPILOG = """\
exit codes:
  0 done;  1 the answer is no, or the work could not be finished;  2 wrong use;
  130 stopped by Ctrl-C

examples:
  mappertune list                          what there is
  mappertune show stencil                  what a mapper of stencil decides about
  mappertune compare stencil               TPE and random search beside the expert
  mappertune tune stencil --tuner tpe      one study; the same command continues it
"""
DEFAULT_MACHINE = "p100x4"
MEASURED_MACHINE = "lassen"
DEFAULT_TRIALS = 200


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads a command line; ``module`` of the result names the command's module.

    Raises:
        SystemExit: With code 2 after wrong use, with code 0 after ``--help``.
    """
    parser = _Parser(
        prog="mappertune",
        description="Find fast mappers for programs on the Legion parallel runtime.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for add in (
        _add_list, _add_show, _add_check, _add_eval, _add_explain, _add_tune, _add_compare,
        _add_export, _add_validate, _add_doctor, _add_capture,
        _add_calibrate,
    ):  # fmt: skip
        add(commands)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        arguments.parser.error(f"unrecognized argument {unknown[0]!r}")
    return arguments


def _add_list(commands: Commands) -> None:
    _command(commands, "list", "listing", "name the applications, machines and tuners")


def _add_show(commands: Commands) -> None:
    parser = _command(commands, "show", "show", "explain an application or a machine")
    parser.add_argument("name", metavar="NAME", help="an application or a machine")
    parser.add_argument(
        "--mapper", metavar="WHICH", help="print a reference mapper, such as expert, alone"
    )
    parser.add_argument(
        "--template", action="store_true", dest="print_template", help="print the template alone"
    )
    parser.add_argument(
        "--grammar", action="store_true", help="print the grammar of its mappers, for decoders"
    )
    parser.add_argument(
        "--data-flow", action="store_true", help="tell which task's data goes to which"
    )
    parser.add_argument(
        "--dot", action="store_true", help="print the data flow as a picture for graphviz"
    )
    parser.add_argument(
        "--toml", action="store_true", help="print a machine's file: where its numbers come from"
    )
    parser.add_argument(
        "--prompt", action="store_true", help="print what a language model is asked at first"
    )
    add_prompt_options(parser)
    _add_case(parser, template=False)


def _add_check(commands: Commands) -> None:
    parser = _command(commands, "check", "check", "find what is wrong with a mapper before a run")
    _add_mapper(parser)


def _add_eval(commands: Commands) -> None:
    parser = _command(commands, "eval", "evaluate", "run a mapper and say how fast it is")
    _add_mapper(parser)
    parser.add_argument("--profile", action="store_true", help="say where the time went")
    parser.add_argument(
        "--timeline", metavar="OUT.json", help="write the run for Perfetto (Chrome trace format)"
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw the run as a Gantt picture")


def _add_explain(commands: Commands) -> None:
    parser = _command(
        commands, "explain", "explain", "say why a mapper is slow or fails, and what to try"
    )
    _add_mapper(parser)
    parser.add_argument(
        "--level",
        choices=("raw", "explained", "suggested"),
        default="suggested",
        help="how much to say (default: suggested)",
    )
    parser.add_argument(
        "--verify", action="store_true", help="run what is suggested, and keep what is faster"
    )
    parser.add_argument(
        "--most", type=positive, default=5, metavar="N", help="suggestions at most (default: 5)"
    )
    parser.add_argument(
        "--apply",
        type=Path,
        metavar="OUT",
        help="write the mapper with the first suggestion applied",
    )


def _add_export(commands: Commands) -> None:
    parser = _command(commands, "export", "export", "write a mapper as a C file to ship")
    parser.add_argument("file", metavar="FILE", help="the mapper; - for standard input")
    parser.add_argument(
        "--output",
        metavar="OUT.c",
        help="where to (default: beside the mapper; standard output for -)",
    )


def _add_validate(commands: Commands) -> None:
    summary = "hold simulated runs against measured ones"
    parser = _command(commands, "validate", "validate", summary)
    parser.add_argument("files", metavar="FILE", nargs="+", help="measured runs, in JSON")
    parser.add_argument(
        "--machine",
        default=MEASURED_MACHINE,
        metavar="NAME",
        help=f"that they ran on, or the path of a .toml file (default: {MEASURED_MACHINE})",
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw simulated against measured times")


def _add_capture(commands: Commands) -> None:
    summary = "take the facts of a Legion program from a run of its own"
    parser = _command(commands, "capture", "capture", summary)
    parser.usage = "mappertune capture [options] -- COMMAND ..."
    parser.add_argument(
        "program", metavar="-- COMMAND", nargs=argparse.REMAINDER, help="the program to run once"
    )
    parser.add_argument(
        "--log",
        action="append",
        metavar="FILE",
        help="take what can be had from the log of a mapper instead; repeat for further ranks",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT.json", help="where to (default: by the program's name)"
    )
    parser.add_argument("--name", metavar="NAME", help="what to call the application")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=600.0,
        metavar="S",
        help="seconds that the run may take (default: 600)",
    )


def _add_doctor(commands: Commands) -> None:
    parser = _command(
        commands, "doctor", "doctor", "tell what was found here, and what is missing"
    )
    parser.add_argument(
        "--build", action="store_true", help="compile the mapper for Legion now, if need be"
    )


def _add_calibrate(commands: Commands) -> None:
    parser = _command(
        commands, "calibrate", "calibrate", "measure this machine, as the machine 'here'"
    )
    parser.add_argument(
        "--write",
        metavar="FILE.toml",
        help="the machine file to write (default: here.toml in the user's configuration)",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        default=60,
        metavar="N",
        help="for the runs, about; under 15 the figures are coarse (default: 60)",
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is there already"
    )


def _add_tune(commands: Commands) -> None:
    parser = _command(commands, "tune", "tune", "search a fast mapper; again: continue")
    parser.add_argument(
        "application",
        metavar="APP",
        nargs="?",
        help="the application, where no --command is given",
    )
    parser.add_argument("--tuner", default="tpe", metavar="NAME", help="tuner (default: tpe)")
    parser.add_argument("--seed", type=count, default=0, metavar="N", help="seed (default: 0)")
    _add_real_run(parser)
    _add_study(parser)
    add_model_options(parser)
    _add_case(parser)


def _add_real_run(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a Legion program of your own, tuned by runs of it")
    group.add_argument("--command", metavar="WORDS", help="the program and its arguments")
    group.add_argument(
        "--metric",
        default="",
        metavar="REGEX",
        help="what it prints of its speed, the number in parentheses (default: its seconds)",
    )
    sense = group.add_mutually_exclusive_group()
    sense.add_argument(
        "--minimize", action="store_true", default=True, help="less is better (default)"
    )
    sense.add_argument("--maximize", action="store_false", dest="minimize", help="more is better")
    group.add_argument(
        "--repeats", type=positive, default=3, metavar="R", help="runs of a mapper (default: 3)"
    )
    group.add_argument(
        "--pairs", type=positive, default=9, metavar="N",
        help="runs of the best mapper, and of the program's own, at the end (default: 9)",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="of one run (default: 60)"
    )
    group.add_argument(
        "--application",
        dest="captured",
        metavar="APP.json",
        help="what the program was captured as (default: capture it first)",
    )


def _add_compare(commands: Commands) -> None:
    parser = _command(commands, "compare", "compare", "tune with several tuners and compare them")
    parser.add_argument("application", metavar="APP", help="the application")
    parser.add_argument(
        "--tuners",
        type=_names,
        default=("tpe", "random"),
        metavar="A,B",
        help="tuners (default: tpe,random)",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=(0, 1, 2),
        metavar="N",
        help="how many seeds, from 0 on, or a list such as 0,7,9 (default: 3)",
    )
    _add_study(parser)
    add_model_options(parser)
    _add_case(parser)


def _command(commands: Commands, name: str, module: str, summary: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=_sentence(summary))
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.set_defaults(module=f"studies.cli.{module}", parser=parser)
    return parser


def _add_mapper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the mapper; - for standard input")
    parser.add_argument(
        "--app",
        dest="application",
        metavar="APP",
        help="the application (default: what the file's first line or its tasks tell)",
    )
    _add_case(parser, template=False)


def _add_case(parser: argparse.ArgumentParser, *, template: bool = True) -> None:
    group = parser.add_argument_group("what is mapped, and where")
    group.add_argument(
        "--machine",
        default=DEFAULT_MACHINE,
        metavar="NAME",
        help=f"a machine, or the path of a .toml file (default: {DEFAULT_MACHINE})",
    )
    group.add_argument("--nodes", type=positive, metavar="N", help="nodes of the machine")
    group.add_argument(
        "-p",
        action="append",
        type=_parameter,
        default=[],
        dest="parameters",
        metavar="KEY=VALUE",
        help="a size of the application; may be repeated",
    )
    group.add_argument(
        "--space", default="paper", metavar="NAME", help="search space (default: paper)"
    )
    if template:
        group.add_argument(
            "--template", metavar="FILE", help="a template that takes the place of the space"
        )


def _add_study(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the study")
    group.add_argument(
        "--trials",
        type=positive,
        default=DEFAULT_TRIALS,
        metavar="N",
        help=f"trials of a study in all, those of earlier runs included (default: "
        f"{DEFAULT_TRIALS})",
    )
    group.add_argument(
        "--output",
        type=Path,
        default=Path("mappertune-runs"),
        metavar="FOLDER",
        help="where studies, mappers and runs are written (default: mappertune-runs)",
    )
    group.add_argument(
        "--storage",
        metavar="URL",
        help="keep trials in an Optuna storage: a database's URL, or the path of a journal",
    )
    group.add_argument(
        "--mlflow",
        metavar="URI",
        help="MLflow tracking URI (default: MLFLOW_TRACKING_URI, or a file in FOLDER)",
    )
    group.add_argument("--no-mlflow", action="store_true", help="do not track in MLflow")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names such as tpe,random")
    return names


def _seeds(text: str) -> tuple[int, ...]:
    if "," in text:
        return tuple(dict.fromkeys(count(part.strip()) for part in text.split(",") if part))
    return tuple(range(positive(text)))


def _parameter(text: str) -> tuple[str, int | float | str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(settings.get("help")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from studies.versions import version_of  # noqa: PLC0415  (only here)

        sys.stdout.write(f"mappertune {version_of('mappertune')}\n")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Names the nearest option or command where one is unknown, in one line."""

    def __init__(self, **settings: object) -> None:
        super().__init__(allow_abbrev=False, **settings)  # type: ignore[arg-type]  # passed on

    def error(self, message: str) -> NoReturn:
        advice = _meant(message, self._option_strings())
        sys.stderr.write(f"{self.prog}: {message};{advice} {self.prog} --help explains\n")
        sys.exit(2)

    def _option_strings(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]


def _meant(message: str, options: Iterable[str]) -> str:
    """What the user probably meant by an unknown choice or option."""
    from dsl.nearest import nearest  # noqa: PLC0415  (loads the parser)

    choice = re.search(r"invalid choice: '(.*)' \(.*choose from (.*)\)", message)
    option = re.search(r"unrecognized argument '(-.*)'", message)
    if choice:
        name, known = choice[1], re.findall(r"[\w-]+", choice[2])
    elif option:
        name, known = option[1].split("=")[0], list(options)
    else:
        return ""
    near = nearest(name, known)
    return f" did you mean {near!r}?" if near else ""
