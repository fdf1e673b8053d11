"""The commands and their options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from studies.cli.model_options import (
    add_dialogue_options,
    add_model_options,
    add_prompt_options,
)
from studies.cli.numbers import count, duration, positive, seconds, seed, share, size, whole

__all__ = ["WrongUseError", "full_parser", "parse_arguments"]


class WrongUseError(Exception):
    """A command line says what no command takes; the message says what was meant, perhaps."""


EPILOG = """\
exit codes:
  0 done;  1 the answer is no, or the work could not be finished;  2 wrong use;
  130 stopped by Ctrl-C, 143 by SIGTERM, as SLURM sends it at the time limit: the summary is
  printed, the best mapper written, and the same command continues

examples:
  mappertune list                          what there is
  mappertune show stencil                  what a mapper of stencil decides about
  mappertune tune stencil                  one study; the same command continues it
  mappertune compare stencil               three tuners beside each other and the expert
"""
DEFAULT_MACHINE = "p100x4"
MEASURED_MACHINE = "lassen"
DEFAULT_SPACE = "paper"
SHELLS = ("bash", "zsh", "tcsh")
DEFAULT_TRIALS = 200
MOST_SEEDS = 10_000
DEFAULT_TUNER = "guided"
DEFAULT_TUNERS = (DEFAULT_TUNER, "tpe", "random")
DEFAULT_SEEDS = 5
AGENT_TRIALS = 10
EXPERIMENTS = ("tables", "figures", "feedback", "codegen", "failures")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Reads a command line; ``module`` of the result names the command's module.

    Raises:
        WrongUseError: It is not one.
        SystemExit: With code 0 after ``--help`` and ``--version``.
    """
    arguments, unknown = _parser().parse_known_args(argv)
    if unknown:
        arguments.parser.error(f"unrecognized argument {unknown[0]!r}")
    return arguments


def full_parser() -> argparse.ArgumentParser:
    """The parser with the options of all commands, which others than users read."""
    parser = _parser()
    for action in parser._actions:  # noqa: SLF001  (argparse has no other way to them)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                command.add_all_options()
    return parser


def _parser() -> _Parser:
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
    for name, (module, summary, add_options) in _COMMANDS.items():
        commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            module=f"studies.cli.{module}",
            add_options=add_options,
        )
    return parser


def _show_options(parser: argparse.ArgumentParser) -> None:
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
        "--prompt",
        action="store_true",
        help="print what a language model is asked while nothing was tried",
    )
    add_prompt_options(parser)
    _add_space(_add_case(parser))


def _eval_options(parser: argparse.ArgumentParser) -> None:
    _add_mapper(parser)
    _add_runs(parser, "a Legion program of your own, run under the mapper", repeats=1)
    parser.add_argument("--profile", action="store_true", help="say where the time went")
    parser.add_argument(
        "--timeline", metavar="OUT.json", help="write the run for Perfetto (Chrome trace format)"
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw the run as a Gantt picture")


def _explain_options(parser: argparse.ArgumentParser) -> None:
    _add_space(_add_mapper(parser))
    _add_runs(parser, "a Legion program of your own, run under the mapper", repeats=1)
    parser.add_argument(
        "--level",
        choices=("raw", "explained", "suggested"),
        default="suggested",
        help="how much to say (default: suggested)",
    )
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="say what each statement gains, and each decision beside the expert's",
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


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE|FOLDER",
        help="the mapper; - for standard input; or an output folder, or a journal, of studies",
    )
    parser.add_argument(
        "--output",
        metavar="OUT.c",
        help="where to (default: beside the mapper; standard output for -)",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="the database that the studies of FOLDER are copied into, for optuna-dashboard and "
        "Optuna's other tools",
    )


def _validate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="measured runs, in JSON")
    parser.add_argument(
        "--machine",
        default=MEASURED_MACHINE,
        metavar="NAME",
        help=f"that they ran on, or the path of a .toml file (default: {MEASURED_MACHINE})",
    )
    parser.add_argument("--plot", metavar="OUT.png", help="draw simulated against measured times")


def _capture_options(parser: argparse.ArgumentParser) -> None:
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
        type=seconds,
        default=600.0,
        metavar="S",
        help="seconds that the run may take (default: 600)",
    )


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--build", action="store_true", help="compile the mapper for Legion now, if need be"
    )


def _calibrate_options(parser: argparse.ArgumentParser) -> None:
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


def _tune_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "application",
        metavar="APP",
        nargs="?",
        help="the application, where no --command is given",
    )
    parser.add_argument(
        "--tuner", default=DEFAULT_TUNER, metavar="NAME", help=f"tuner (default: {DEFAULT_TUNER})"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed (default: 0)")
    _add_real_run(parser)
    _add_study(parser)
    add_model_options(parser)
    _add_problem(parser)


def _add_real_run(parser: argparse.ArgumentParser) -> None:
    group = _add_runs(parser, "a Legion program of your own, tuned by runs of it", repeats=3)
    group.add_argument(
        "--pairs", type=positive, default=9, metavar="N",
        help="runs of the best mapper, and of the program's own, at the end (default: 9)",
    )  # fmt: skip
    group.add_argument(
        "--application",
        dest="captured",
        metavar="APP.json",
        help="what the program was captured as (default: capture it first)",
    )


def _add_runs(
    parser: argparse.ArgumentParser, title: str, *, repeats: int
) -> argparse._ArgumentGroup:
    group = parser.add_argument_group(title)
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
        "--metric-match", choices=("last", "first", "min", "max", "sum"),
        help="which number counts where it prints several (default: last)",
    )  # fmt: skip
    group.add_argument(
        "--repeats", type=positive, default=repeats, metavar="R",
        help=f"runs of a mapper (default: {repeats})",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="S", help="of one run (default: 60)"
    )
    group.add_argument(
        "--memory", type=size, metavar="SIZE",
        help="that all processes of a run may have together, such as 4G (default: nine tenths of "
        "this machine's)",
    )  # fmt: skip
    group.add_argument(
        "--keep-output", type=size, default=10**6, metavar="SIZE",
        help="the last of what a run prints, for messages (default: 1M)",
    )  # fmt: skip
    group.add_argument(
        "--most-output", type=size, default=256 * 10**6, metavar="SIZE",
        help="that a run may print before it is stopped (default: 256M)",
    )  # fmt: skip
    group.add_argument(
        "--keep-own", action="store_true",
        help="leave to the mapper that the program brings what a mapper does not state",
    )  # fmt: skip
    return group


def _ask_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "case",
        metavar="CASE",
        help="an application, or the folder of a study that ask has begun",
    )
    parser.add_argument(
        "--new", action="store_true", help="print the last message alone, for who has the others"
    )
    _add_agent_folder(parser)
    group = parser.add_argument_group("the study, as it is begun")
    group.add_argument(
        "--trials",
        type=positive,
        metavar="N",
        help=f"mappers that are tried in all; may grow later (default: {AGENT_TRIALS})",
    )
    group.add_argument("--seed", type=seed, default=0, metavar="N", help="seed (default: 0)")
    _add_objective_and_start(group)
    add_dialogue_options(add_prompt_options(parser))
    _add_problem(parser)


def _tell_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "case", metavar="CASE", help="the folder of the study, or its application where it is one"
    )
    parser.add_argument(
        "reply", metavar="REPLY", help="the file of the reply; - for standard input"
    )
    _add_agent_folder(parser)


def _study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        metavar="WHAT",
        choices=EXPERIMENTS,
        help="tables (every arm on every case of a suite), figures (the same after 10, 100 ... "
        "trials, with a picture), feedback (what its levels are worth to a model), codegen (from "
        "words to mappers), failures (what failed in studies, by kind)",
    )
    parser.add_argument(
        "application", metavar="APP", nargs="?", help="the application, for feedback"
    )
    group = parser.add_argument_group("the experiment")
    group.add_argument(
        "--suite",
        metavar="NAME|FILE",
        help="cases, arms, seeds and budget (default: paper for tables, figures for figures)",
    )
    group.add_argument("--cases", type=_names, metavar="A,B", help="of the suite (default: all)")
    group.add_argument("--arms", type=_names, metavar="A,B", help="tuners (default: the suite's)")
    group.add_argument("--seeds", type=positive, metavar="N", help="how many, from 0 on")
    group.add_argument(
        "--trials", type=positive, metavar="N", help="of a study; replies a strategy of codegen"
    )
    group.add_argument(
        "--format",
        choices=("text", "markdown", "csv"),
        default="text",
        help="of the table (default: text)",
    )
    group.add_argument(
        "--output",
        type=Path,
        default=Path("mappertune-runs/experiments"),
        metavar="FOLDER",
        help="where the studies lie (default: mappertune-runs/experiments)",
    )
    _add_jobs(group)
    group.add_argument(
        "--as-is", action="store_true", help="run nothing: tables and figures of what there is"
    )
    group.add_argument(
        "--write",
        type=Path,
        metavar="FOLDER",
        help="write the figures as figures.md and figures.svg into this folder",
    )
    _add_objective_and_start(group)
    parser.set_defaults(start=None)  # the suite says it
    add_model_options(parser, when_done="fallback")  # each study has its whole budget
    _add_problem(parser)


def _replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("transcripts", metavar="TRANSCRIPT", nargs="+", help="lines of JSON")
    parser.add_argument(
        "--texts",
        action="store_true",
        help="judge the mappers of the replies as texts, whatever they were asked",
    )
    parser.add_argument(
        "--app",
        dest="application",
        metavar="APP",
        help="the application (default: what the transcript's lines tell)",
    )
    _add_case(parser)


def _mcp_options(parser: argparse.ArgumentParser) -> None:
    _add_agent_folder(parser)
    parser.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="serve by HTTP at this port of 127.0.0.1 (default: standard input and output)",
    )
    parser.add_argument(
        "--trials",
        type=positive,
        default=100,
        metavar="N",
        help="trials of a study at most (default: 100)",
    )
    parser.add_argument(
        "--evaluations",
        type=count,
        default=200,
        metavar="N",
        help="mappers of a study that may be tried out beside its trials (default: 200)",
    )


def _port(text: str) -> int:
    return whole(text, 1, 65_535)


def _add_agent_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("mappertune-runs/agent"),
        metavar="FOLDER",
        help="under which the folders of such studies lie (default: mappertune-runs/agent)",
    )


def _proxy_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", metavar="URL", help="the database, such as postgresql://...")
    parser.add_argument(
        "--host", default="localhost", metavar="NAME", help="where to answer (default: localhost)"
    )
    parser.add_argument(
        "--port",
        type=positive,
        default=13000,
        metavar="N",
        help="where to answer (default: 13000)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=10,
        metavar="N",
        help="calls that are worked on at a time, each with a connection (default: 10)",
    )


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "application",
        metavar="APP",
        nargs="?",
        help="the application; may be left out with --from",
    )
    parser.add_argument(
        "--from",
        dest="folders",
        nargs="+",
        metavar="DIR|URL",
        help="run nothing, and compare the studies that lie in these output folders, databases "
        "and journals; --storage is one more",
    )
    parser.add_argument(
        "--tuners",
        type=_names,
        default=DEFAULT_TUNERS,
        metavar="A,B",
        help=f"tuners (default: {','.join(DEFAULT_TUNERS)})",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=tuple(range(DEFAULT_SEEDS)),
        metavar="N",
        help=f"how many seeds, from 0 on, or a list such as 0,7,9 (default: {DEFAULT_SEEDS})",
    )
    _add_jobs(parser)
    parser.add_argument(
        "--dask",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="run on a Dask cluster: the address of its scheduler, its file, or local[:N], which "
        "is what no address means; --jobs is then how many processes run there at a time",
    )
    parser.add_argument(
        "--workers-per-study",
        type=positive,
        metavar="N",
        help="with --dask and a database: how many processes may share a study (default: all "
        "that have nothing else to do)",
    )
    parser.add_argument(
        "--report", type=Path, metavar="OUT.html", help="write a page of it as well (see report)"
    )
    _add_study(parser)
    add_model_options(parser, when_done="fallback")  # each study has its whole budget
    _add_problem(parser)


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "places",
        metavar="FOLDER|URL",
        nargs="+",
        help="output folders of tune and compare or folders in them, journals, databases",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="OUT.html",
        help="where the page goes (default: report.html in the first folder)",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="OUT.csv", help="write the trials as a table, too: a row each"
    )
    parser.add_argument(
        "--parquet", type=Path, metavar="OUT.parquet", help="the same for data frames"
    )


def _add_mapper(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    parser.add_argument("file", metavar="FILE", help="the mapper; - for standard input")
    parser.add_argument(
        "--app",
        dest="application",
        metavar="APP",
        help="the application (default: what the file's first line or its tasks tell)",
    )
    return _add_case(parser)


def _add_case(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
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
    group.set_defaults(space=DEFAULT_SPACE, template=None)
    return group


def _add_space(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--space", metavar="NAME", help=f"search space (default: {DEFAULT_SPACE})")


def _add_problem(parser: argparse.ArgumentParser) -> None:
    group = _add_case(parser)
    _add_space(group)
    group.add_argument(
        "--template", metavar="FILE", help="a template that takes the place of the space"
    )


def _add_jobs(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--jobs",
        type=positive,
        metavar="N",
        help="studies that run at a time, each in a process of its own (default: one a core "
        "where it is worth it)",
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
    _add_objective_and_start(group)
    group.add_argument(
        "--output",
        type=Path,
        default=Path("mappertune-runs"),
        metavar="FOLDER",
        help="where studies, mappers and runs are written (default: mappertune-runs)",
    )
    group.add_argument(
        "--storage",
        metavar="URL|FILE",
        help="keep trials in a database, which several processes may share, or in another journal",
    )
    group.add_argument(
        "--repair",
        action="store_true",
        help="keep what is good of a damaged journal, and set the damaged file aside",
    )
    group.add_argument(
        "--mlflow",
        metavar="URI",
        help="MLflow tracking URI (default: MLFLOW_TRACKING_URI, or a file in FOLDER)",
    )
    group.add_argument("--no-mlflow", action="store_true", help="do not track in MLflow")
    _add_trace_model(group)


def _add_trace_model(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--trace-model",
        action="store_true",
        help="track each exchange with a model as a trace: prompt, reply, tokens, cost, seconds",
    )


def _track_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        nargs="?",
        default=Path("mappertune-runs"),
        help="the --output of tune or compare (default: mappertune-runs)",
    )
    parser.add_argument("--storage", metavar="URL", help="the database in which its studies are")
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        help="MLflow tracking URI (default: MLFLOW_TRACKING_URI, or a file in FOLDER)",
    )
    _add_trace_model(parser)


def _add_objective_and_start(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--time-limit",
        type=duration,
        metavar="TIME",
        help="how long this command begins trials, such as 2h or 1h30m; compare shares it out "
        "among its studies",
    )
    group.add_argument(
        "--stop-after",
        type=share,
        metavar="FRACTION",
        help="end a study whose best mapper is that near the floor, such as 0.95",
    )
    group.add_argument(
        "--patience",
        type=positive,
        metavar="N",
        help="end a study in which N trials in a row were no faster than the best",
    )
    group.add_argument(
        "--objective",
        choices=("timed", "whole"),
        default="timed",
        help="what a throughput is over: the time that the program's own clock shows, or the "
        "whole run with its setup (default: timed)",
    )
    group.add_argument(
        "--start",
        default="default",
        metavar="WHICH",
        help="what every study tries first: default (what the space holds for usual; of a program "
        "that is measured its own mapper), expert, the file of a mapper, or none, where the tuner "
        "chooses (default: default)",
    )


def _completion_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def _no_options(parser: argparse.ArgumentParser) -> None: ...


# By name: the module, a summary, and what adds the options.
_COMMANDS: dict[str, tuple[str, str, Callable[[_Parser], object]]] = {
    "list": ("listing", "name the applications, machines and tuners", _no_options),
    "show": ("show", "explain an application or a machine", _show_options),
    "check": ("check", "find what is wrong with a mapper before a run", _add_mapper),
    "eval": ("evaluate", "run a mapper and say how fast it is", _eval_options),
    "explain": ("explain", "say why a mapper is slow or fails, and what to try", _explain_options),
    "tune": ("tune", "search a fast mapper; again: continue", _tune_options),
    "compare": ("compare", "tune with several tuners and compare them", _compare_options),
    "report": ("report", "write one page of studies, or a table of trials", _report_options),
    "track": ("track", "show MLflow the studies that it has not seen", _track_options),
    "proxy": ("proxy", "pass a database of studies on to many processes, by gRPC", _proxy_options),
    "ask": ("ask", "print what a model is asked, for whoever answers in its place", _ask_options),
    "tell": ("tell", "answer what ask has printed, and see what came of it", _tell_options),
    "mcp": ("mcp", "serve ask, tell and more to agents, by the MCP", _mcp_options),
    "study": ("study", "run an experiment of the ICML 2025 paper", _study_options),
    "replay": ("replay", "judge the mappers of old transcripts anew", _replay_options),
    "export": (
        "export",
        "write a mapper as a C file to ship, or studies into a database",
        _export_options,
    ),
    "validate": ("validate", "hold simulated runs against measured ones", _validate_options),
    "doctor": ("doctor", "tell what was found here, and what is missing", _doctor_options),
    "capture": (
        "capture",
        "take the facts of a Legion program from a run of its own",
        _capture_options,
    ),
    "calibrate": ("calibrate", "measure this machine, as the machine 'here'", _calibrate_options),
    "completion": ("completion", "print what makes a shell complete options", _completion_options),
}


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of names such as tpe,random")
    return names


def _seeds(text: str) -> tuple[int, ...]:
    if "," in text:
        return tuple(dict.fromkeys(seed(part.strip()) for part in text.split(",") if part))
    return tuple(range(whole(text, 1, MOST_SEEDS)))


def _parameter(text: str) -> tuple[str, int | float | str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:  # it is none, or Python refuses to read so many digits
            continue
    return key, value


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(settings.get("help")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from studies.versions import version_of

        sys.stdout.write(f"mappertune {version_of('mappertune')}\n")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Names the nearest option or command where one is unknown, in one line.

    Args:
        module: The command's module.
        add_options: Adds the command's options; called when they are to be read, so that those of
            the other commands are not made.
        settings: Of ``argparse.ArgumentParser``.
    """

    def __init__(
        self,
        *,
        module: str = "",
        add_options: Callable[[_Parser], object] | None = None,
        **settings: object,
    ) -> None:
        super().__init__(allow_abbrev=False, **settings)  # type: ignore[arg-type]  # passed on
        self._module = module
        self._add_options = add_options

    def parse_known_args(  # type: ignore[override]  # argparse overloads it by the namespace's type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        self.add_all_options()
        return super().parse_known_args(args, namespace)

    def add_all_options(self) -> None:
        """Adds the command's options, and those that every command has, once."""
        if self._add_options is None:
            return
        self.add_argument("--json", action="store_true", help="print JSON on standard output")
        loudness = self.add_mutually_exclusive_group()
        loudness.add_argument(
            "--quiet", action="store_true", help="say nothing but results and errors"
        )
        loudness.add_argument(
            "--verbose", action="store_true", help="tell each trial, and where an error arose"
        )
        self.set_defaults(module=self._module, parser=self)
        self._add_options(self)
        self._add_options = None

    def error(self, message: str) -> NoReturn:
        advice = _meant(message, self._option_strings())
        command = self.prog.partition(" ")[2]
        where = f"{command}: " if command else ""
        raise WrongUseError(f"{where}{message};{advice} {self.prog} --help explains")

    def _option_strings(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]


def _meant(message: str, options: Iterable[str]) -> str:
    """What the user probably meant by an unknown choice or option."""
    from dsl.nearest import nearest

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
