"""Mappers measured on the real Legion runtime, as runs of a program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median

import dsl
from legion_bridge.capture.profile_log import ARRIVALS_FLAG
from legion_bridge.errors import CaptureError, LegionError
from legion_bridge.legion.core_lock import cores_to_itself
from legion_bridge.legion.guarded import KEPT_OUTPUT, MOST_OUTPUT, Ended, Guard
from legion_bridge.legion.installation import find_legion
from legion_bridge.legion.metric import Metric
from legion_bridge.legion.preload_environment import preload_environment
from legion_bridge.legion.run_profile import PROFILE_FLAGS, profile_of_run
from legion_bridge.legion.stated import stated
from legion_bridge.legion.verdict import failure_of, is_intermittent, words_of
from legion_bridge.measurement import Measurement
from legion_bridge.outcome import Outcome, Profile, Status

__all__ = ["RUNTIME_FLAGS", "LegionRun"]

RUNTIME_FLAGS = ("-ll:util", "0", "-lg:safe_mapper", "1", "-logfile", "stderr")
"""What the runtime is told, unless the command says otherwise: utility work shares the processors
of the tasks, a wrong decision is told and not run into, and messages survive an abort."""


class _FailedError(Exception):
    """A run without a result; carries the outcome's status and text."""

    def __init__(self, status: Status, raw: str, brought: str = "") -> None:
        super().__init__(raw)
        self.brought = brought
        self.status = status
        self.raw = raw


@dataclass
class LegionRun:
    """Runs a Legion program under mappers and measures it; the program need not know.

    It is an evaluator, as ``legion_bridge.Evaluator`` is, and can be pickled. Whatever goes wrong
    with a mapper or the program becomes an ``Outcome``; what is wrong with this machine is an
    error. Nothing of a run outlives it: no process, no shared memory, no file of ours, not even
    where this process is interrupted or killed.

    Example::

        run = LegionRun(["./stencil2d", "-n", "2048"], Metric(r"ELAPSED ([0-9.]+) s"))
        outcome = run.evaluate(dsl.parse("Task * CPU;"))
        print(outcome.throughput, outcome.measurement.spread)

    Attributes:
        command: The program and its arguments.
        metric: How good a run was; by default the seconds of the process.
        work: What one run does, in ``unit`` times seconds, for metrics that are minimised.
        unit: Unit of the throughput.
        repeats: Runs of each mapper; their median counts.
        warmup: Runs before the first mapper's, which do not count: they fill the file cache.
        timeout: Seconds that one run may take.
        memory: Resident bytes that the processes of one run may have together; None for no limit.
        kept_output: The last bytes of what a run prints that messages are taken from; the metric
            is looked for in all of it.
        most_output: Bytes that a run may print.
        retries: How often a run is repeated that ended in an abort which is known to come and go.
        share_cores: Whether others may be measured on this host at the same time.
        flags: Flags of the runtime that stand before those of the command.
        variables: Environment variables besides those of this process.
        keep_own: Whether a mapper that the program brings decides all that a given mapper does not
            state; else it is replaced.
        own: What that mapper decides, as far as it is known: with ``keep_own``, statements of a
            given mapper that are among these are left to it.
        repeatable: False: two runs of a mapper differ.
        matched: How many numbers matched the metric in the last run.
    """

    command: Sequence[str]
    metric: Metric = field(default_factory=Metric)
    work: float = 1.0
    unit: str = "runs/s"
    repeats: int = 3
    warmup: int = 1
    timeout: float = 60.0
    memory: int | None = None
    kept_output: int = KEPT_OUTPUT
    most_output: int = MOST_OUTPUT
    retries: int = 3
    share_cores: bool = False
    flags: Sequence[str] = RUNTIME_FLAGS
    variables: Mapping[str, str] = field(default_factory=dict)
    keep_own: bool = False
    own: dsl.Program | None = None
    repeatable: bool = field(default=False, init=False)
    matched: int = field(default=0, init=False)
    _warm: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            LegionError: There is no command, or a number that makes no sense.
        """
        if not self.command:
            raise LegionError("there is no program to run: name one, such as ./stencil2d")
        if self.repeats < 1 or self.warmup < 0 or self.retries < 0 or not self.timeout > 0:
            raise LegionError(
                f"{self.repeats} repeats, {self.warmup} warm-up runs, {self.retries} retries and "
                f"a timeout of {self.timeout:g} s cannot be run: give at least 1, 0, 0 and more "
                "than 0"
            )

    def evaluate(
        self,
        program: dsl.Program | None,
        *,
        profile: bool = False,
        enough: Callable[[Sequence[float]], bool] | None = None,
    ) -> Outcome:
        """The outcome of the program under a mapper.

        Args:
            program: A parsed mapper; None for the mapper that the program has itself.
            profile: Whether the outcome shall say where the time went, which takes another run.
            enough: Whether the throughputs so far will do, so that fewer runs than ``repeats``
                are needed; asked after each run.

        Raises:
            LegionError: There is no Legion runtime here, or the mapper library cannot be compiled.
        """
        return self._measured(
            program, self.repeats, warmup=self.warmup, profile=profile, enough=enough
        )

    def sample(self, program: dsl.Program | None) -> Outcome:
        """The outcome of a single run, without warm-up, for callers that plan repeats themselves.

        Raises:
            LegionError: As for `evaluate`.
        """
        return self._measured(program, 1, warmup=0, profile=False)

    def _measured(
        self,
        program: dsl.Program | None,
        repeats: int,
        *,
        warmup: int,
        profile: bool,
        enough: Callable[[Sequence[float]], bool] | None = None,
    ) -> Outcome:
        throughputs: list[float] = []
        seconds: list[float] = []
        lock = nullcontext() if self.share_cores else cores_to_itself()
        try:
            with self.session(program) as session, lock:
                if warmup and not self._warm:
                    for _ in range(warmup):
                        session.run()
                    self._warm = True
                while len(throughputs) < repeats:
                    value, ended = session.run()
                    throughputs.append(self.metric.throughput(value, self.work))
                    seconds.append(value if self.metric.minimize else ended.seconds)
                    if enough is not None and enough(throughputs):
                        break
                found = session.profile() if profile else None
                brought = session.brought
        except _FailedError as failure:
            return Outcome(
                failure.status, 0.0, self.unit, None, failure.raw, brought=failure.brought
            )
        except dsl.MapperError as error:
            return Outcome("execution_error", 0.0, self.unit, None, f"Mapper failed: {error}")
        measured = Measurement(tuple(throughputs))
        return Outcome(
            "ok",
            measured.median,
            self.unit,
            elapsed=median(seconds),
            profile=found,
            measurement=measured,
            brought=brought,
        )

    def stated(self, program: dsl.Program) -> dsl.Program:
        """What of a mapper is carried out, where the rest is what the program's own does."""
        return program if self.own is None or not self.keep_own else stated(program, self.own)

    @contextmanager
    def session(self, program: dsl.Program | None) -> Iterator[_Session]:
        """What several runs under one mapper share: the guard, its folder, the policy."""
        legion = find_legion()
        variables = legion.environment() | dict(self.variables)
        flags = shlex.join([*self.flags, *_split(variables.get("LEGION_DEFAULT_ARGS"))])
        with Guard() as guard:
            variables |= {"LEGION_DEFAULT_ARGS": flags, "TMPDIR": str(guard.folder)}
            if program is not None:
                try:
                    variables |= preload_environment(
                        self.stated(program), legion, guard.folder, keep_own=self.keep_own
                    )
                except OSError:
                    guard.ensure_folder()
                    raise
            yield _Session(self, guard, variables, mapped=program is not None)


def _split(flags: str | None) -> list[str]:
    return shlex.split(flags or "")


@dataclass
class _Session:
    """Runs of one program under one mapper."""

    settings: LegionRun
    guard: Guard
    variables: Mapping[str, str]
    mapped: bool
    profile_flags: str = PROFILE_FLAGS

    def run(self) -> tuple[float, Ended]:
        """The metric of one run, and how it ended.

        Raises:
            _FailedError: The run came to nothing.
        """
        metric = self.settings.metric
        ended = self.run_until_it_counts(profiled=metric.profiled)
        if metric.profiled:
            return self._read_profile().iteration, ended
        if not metric.pattern:
            return ended.seconds, ended
        reading = metric.read(self.guard.pieces())
        self.settings.matched = reading.count
        if reading.value is None:
            raise _FailedError(
                "execution_error",
                f"{words_of(ended)[-2000:]}\nThe program ended well, but "
                f"{reading.fault}.".lstrip(),
            )
        return reading.value, ended

    def profile(self) -> Profile:
        """Where the time of another run went."""
        self.run_until_it_counts(profiled=True)
        return self._read_profile()

    def _read_profile(self) -> Profile:
        try:
            return profile_of_run(self.guard.folder)
        except CaptureError as error:
            raise _FailedError("execution_error", f"Legion's profile: {error}") from None

    def run_until_it_counts(self, *, profiled: bool) -> Ended:
        """One run; another one where it ended in an abort that comes and goes."""
        variables = dict(self.variables)
        if profiled:
            for old in self.guard.folder.glob("times_*"):
                old.unlink()
            wanted = self.profile_flags.format(folder=shlex.quote(str(self.guard.folder)))
            variables["LEGION_DEFAULT_ARGS"] += f" {wanted}"
        for attempt in range(self.settings.retries + 1):
            ended = self._run_once(variables)
            if attempt == self.settings.retries or not is_intermittent(ended):
                break
        asked_for = ended.code != 0 and ARRIVALS_FLAG in ended.output
        if profiled and asked_for and ARRIVALS_FLAG not in self.profile_flags:
            self.profile_flags += f" {ARRIVALS_FLAG}"
            return self.run_until_it_counts(profiled=True)
        settings = self.settings
        failure = failure_of(ended, settings.command[0], settings.timeout, settings.memory)
        if failure is not None:
            raise _FailedError(*failure, self.brought)
        if self.mapped and not self._in_force():
            raise _FailedError(
                "execution_error",
                f"The mapper was not asked anything: {settings.command[0]} is no Legion program, "
                "or has Legion linked into it (mappertune needs a shared Legion library).",
            )
        return ended

    def _run_once(self, variables: Mapping[str, str]) -> Ended:
        (self.guard.folder / "report").unlink(missing_ok=True)
        settings = self.settings
        return self.guard.run(
            settings.command,
            environment=variables,
            timeout=settings.timeout,
            memory=settings.memory,
            kept_output=settings.kept_output,
            most_output=settings.most_output,
        )

    def _in_force(self) -> bool:
        return self._report().startswith("policy ")

    @property
    def brought(self) -> str:
        """The class of the mapper that ours stands for, or is asked besides, in the last run."""
        told = re.findall(r"^(?:replaces|keeps) (.*)$", self._report(), re.MULTILINE)
        return " and ".join(name.removeprefix("(anonymous namespace)::") for name in told)

    def _report(self) -> str:
        """What the mapper told of the last run; empty where it was not asked."""
        report = self.guard.folder / "report"
        if not report.is_file() or report.is_symlink():  # a pipe would never end
            return ""
        return report.read_text("utf-8", "replace")
