"""What ``tune`` and ``compare`` share: a case, its problem and the workspace of its studies."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.console import warn

if TYPE_CHECKING:
    from collections.abc import Callable

    from studies.cli.progress import StartProgress
    from studies.compare import Comparison
    from studies.records import StudyResult, StudySpec, TrialRecord
    from studies.run import Observer
    from studies.stop_rules import StopRules
    from studies.suite import Tunable
    from studies.tracking.comparison_run import ComparisonRun
    from studies.worker import Setting

__all__ = ["StudyRunner", "ui_command"]


class StudyRunner:
    """A case made ready for studies.

    Args:
        case: What is tuned.
        tuners: Names of the tuners to come; unknown ones are told before anything is loaded.
        arguments: The options of the study.
    """

    def __init__(
        self, case: Tunable, tuners: Sequence[str], arguments: argparse.Namespace
    ) -> None:
        import optuna

        from dsl.scratch_folder import remove_abandoned
        from studies.files import ensure_writable
        from studies.references import best_reference
        from studies.starts import start_of
        from studies.stop_rules import StopRules
        from studies.tracking import Tracker
        from studies.workspace import Workspace
        from tuners import tuner_named

        remove_abandoned()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        _tell_warnings()
        for name in tuners:
            startup = tuner_named(name).startup
            if arguments.trials <= startup:
                warn(
                    f"{name} draws its first {startup} trials at random and learns from them: of "
                    f"{arguments.trials} it shows nothing but random search"
                )
        ensure_writable(arguments.transcript)
        self.case = case
        self.rules = StopRules(arguments.time_limit, arguments.stop_after, arguments.patience)
        self.problem = case.problem()
        self.problem.start = start_of(self.problem, arguments.start)
        tracker = None
        if not arguments.no_mlflow:
            uri = arguments.mlflow or os.environ.get("MLFLOW_TRACKING_URI")
            tracker = Tracker(
                arguments.output, uri, report=warn, trace_model=arguments.trace_model
            )
        self.workspace = Workspace(
            arguments.output,
            arguments.storage,
            tracker,
            anew=arguments.anew,
            repair=arguments.repair,
            tell=warn,
        )
        self._comparison: ComparisonRun | None = None
        self.reference = best_reference(self.problem)
        if not self.problem.application.mappers:
            name = self.problem.application.name
            warn(f"{name} has no mappers of its own: there is nothing that ratios could be to")

    def run(
        self,
        spec: StudySpec,
        start: StartProgress,
        watch: Observer | None = None,
        rules: StopRules | None = None,
        conclude: Callable[[StudyResult], StudyResult] | None = None,
    ) -> StudyResult:
        """Runs one study and shows its progress.

        Args:
            spec: The study.
            start: Begins to show it.
            watch: Called with the trials as well.
            rules: What ends it early; None for what the options say.
            conclude: What further runs say of its result.
        """
        show = self.begin(spec, start)

        def observe(records: list[TrialRecord]) -> None:
            if watch is not None:
                watch(records)
            show(records)

        return self.workspace.run(
            self.case, self.problem, spec, observe, rules or self.rules, conclude=conclude
        )

    def begin(self, spec: StudySpec, start: StartProgress) -> Observer:
        """Begins to show a study."""
        label = f"{spec.tuner} seed {spec.seed}"
        return start(label, spec.trials, self.problem.unit, self.reference)

    def begin_comparison(self, specs: Sequence[StudySpec]) -> None:
        """Makes the studies to come children of one tracked run."""
        from studies.study_facts import StudyFacts
        from studies.tracking.comparison_run import ComparisonRun

        workspace = self.workspace
        if workspace.tracker is not None:
            facts = StudyFacts.of(self.problem, specs[0])
            folder = workspace.folder / self.case.name
            self._comparison = ComparisonRun(workspace.tracker, folder, facts)
            self._comparison.begin()

    def finish_comparison(
        self,
        comparison: Comparison,
        results: Sequence[StudyResult],
        *,
        interrupted: bool,
        page: Path | None = None,
    ) -> None:
        """Tracks what the studies come to, where that was begun, with the page if there is one."""
        if self._comparison is not None:
            self._comparison.finish(comparison, results, interrupted=interrupted)
            if page is not None:
                self._comparison.add(page)

    @property
    def setting(self) -> Setting:
        """What processes need to know that run its studies."""
        from studies.worker import Setting

        workspace = self.workspace
        tracker = workspace.tracker
        return Setting(
            arguments=tuple(sys.argv),
            case=self.case,
            start=self.problem.start,
            folder=workspace.folder,
            storage=workspace.storage,
            anew=workspace.anew,
            repair=workspace.repair,
            tracking_uri=None if tracker is None or tracker.embedded else tracker.uri,
            tracked=tracker is not None,
            parent=None if tracker is None else tracker.parent,
            trace_model=tracker is not None and tracker.trace_model,
        )

    def note_tracked(self) -> None:
        """Takes note that other processes have tracked studies."""
        if self.workspace.tracker is not None:
            self.workspace.tracker.used = True

    @property
    def start(self) -> str:
        """Where the studies start, in words."""
        start = self.problem.start
        if start is None:
            return "each from where its tuner chooses"
        names = {"default": "the template's defaults", "expert": "the expert's mapper"}
        return f"all from {names.get(start.name, 'the mapper of --start')}"

    @property
    def tracking_uri(self) -> str | None:
        """Where the runs are tracked; None where they are not."""
        tracker = self.workspace.tracker
        return tracker.shown_uri if tracker and tracker.used else None

    @property
    def tracking_rows(self) -> list[tuple[str, str]]:
        """How the runs are looked at: a command, and the page; none where they are not tracked."""
        tracker, uri = self.workspace.tracker, self.tracking_uri
        if tracker is None or uri is None:
            return []
        page = tracker.page(self.case.name)
        if page is not None and uri.startswith(("http://", "https://")):
            return [("runs", page)]
        return [("runs", ui_command(uri)), *([("their page", page)] if page else [])]


class _Teller(logging.Handler):
    """Says what tuners warn of in the command line's own voice."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


def _tell_warnings() -> None:
    logger = logging.getLogger("tuners")
    if not any(isinstance(handler, _Teller) for handler in logger.handlers):
        logger.addHandler(_Teller(logging.WARNING))


def ui_command(uri: str) -> str:
    """The command that shows the runs of a tracking URI, or the address of their server."""
    if uri.startswith(("http://", "https://")):
        return uri
    beside = Path(sys.executable).with_name("mlflow")
    mlflow = "mlflow" if shutil.which("mlflow") or not beside.exists() else _relative(beside)
    command = f"{mlflow} ui --backend-store-uri {shlex.quote(uri)}"
    if importlib.util.find_spec("litellm"):
        # Its price list, fetched at import, makes MLflow's server hang without a network.
        command = f"LITELLM_LOCAL_MODEL_COST_MAP=True {command}"
    return command


def _relative(path: Path) -> str:
    """The path from here where that is shorter to read."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
