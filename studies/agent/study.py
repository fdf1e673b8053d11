"""One step of a study whose replies are told from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsl import units
from studies.errors import UsageError
from studies.records import StudySpec, TrialRecord
from studies.references import best_reference
from studies.run import study_result
from studies.sentences import first_sentence
from studies.starts import start_of
from studies.workspace import Workspace
from tuners.llm.model.told import ReplyAwaited, ToldModel

if TYPE_CHECKING:
    from studies.agent.settings import AgentSettings
    from studies.records import StudyResult
    from tuners import MapperProblem
    from tuners.llm.model import Request

__all__ = ["AgentStudy", "Step"]

TUNER = "llm"


@dataclass(frozen=True)
class Step:
    """Where a study stands after it has gone on as far as it could.

    Attributes:
        request: What is asked now; None where the study has all its trials.
        news: The trials that were finished on the way.
        result: What the study has found so far.
    """

    request: Request | None
    news: tuple[TrialRecord, ...]
    result: StudyResult


class AgentStudy:
    """The study in a folder, which `studies.agent.settings` describes.

    It is run by the same loop and the same sampler as a study of a model that is asked over HTTP:
    requests, judgements and records are those of ``mappertune tune --tuner llm``. Between two
    steps nothing runs and nothing is kept but the folder.

    Args:
        folder: Where it lies.
        settings: What it is about.

    Attributes:
        problem: What is tuned.
        reference: What its throughputs are held against; None where nothing runs.
        best_mapper: Where the best mapper is written.

    Raises:
        MappertuneError: There is no such application, machine or space.
        UsageError: There is no such start.
    """

    def __init__(self, folder: Path, settings: AgentSettings) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder = folder
        self.settings = settings
        self.problem: MapperProblem = settings.case.problem()
        self.problem.start = start_of(self.problem, settings.start)
        self.reference = best_reference(self.problem)
        self._name = f"{TUNER}-seed{settings.seed}"
        self._beside = folder / settings.case.name
        self.best_mapper = self._beside / f"{self._name}.mapper"

    def advance(self, reply: str | None = None) -> Step:
        """Goes on until the next request that has no reply, or to the end.

        Args:
            reply: The reply to the request that is open; None where there is none yet.

        Raises:
            UsageError: There is a reply, and no request is open.
            StorageError: The folder cannot be read or written, or another process uses it.
            TranscriptError: The replies cannot be read or kept.
        """
        from tuners.llm.model import MemoryLedger

        case = self.settings.case
        model = ToldModel(self._beside / f"{self._name}.transcript.jsonl", reply)
        llm = replace(self.settings.model_settings(), model=model, ledger=MemoryLedger())
        spec = StudySpec(TUNER, self.settings.seed, self.settings.trials, llm)
        seen: list[Sequence[TrialRecord]] = []  # at first, and now
        result: StudyResult | None = None
        request: Request | None = None
        workspace = Workspace(self.folder)

        def observe(now: list[TrialRecord]) -> None:
            seen[:] = [seen[0] if seen else tuple(now), now]

        try:
            result = workspace.run(case, self.problem, spec, observe)
        except ReplyAwaited as awaited:
            request = awaited.request
        if reply is not None and not model.taken:
            raise UsageError(
                f"no reply is awaited: the study in {self.folder} has ended after {len(seen[-1])} "
                "trials; where all that it was to have are done, `ask` with more --trials goes on"
            )
        before, now = seen[0], seen[-1]
        if result is None:
            location = str(self._beside / f"{self._name}.journal")
            result = study_result(self.problem, spec, now, location, resumed=len(before))
            if result.mapper is not None and len(now) > len(before):
                workspace.keep_best(case, spec, result.mapper, self._remark(result))
        return Step(request, tuple(now[len(before) :]), result)

    def _remark(self, result: StudyResult) -> str:
        return f"{result.throughput:.5g} {result.unit} (the best of {len(result.records)} trials)"

    def described(self, record: TrialRecord) -> str:
        """A trial in one line."""
        by = ": ".join(filter(None, (record.proposer, record.why)))
        by = "" if record.proposer in (None, "model") else f" ({by})"
        if record.status != "ok":
            why = first_sentence(record.raw)
            return f"trial {record.number}: {record.status}: {why}{by}"
        found = units.quantity(record.throughput, self.problem.application.unit, digits=4)
        if self.reference is not None and self.reference.throughput:
            ratio = record.throughput / self.reference.throughput
            found += f", {ratio:.3f} x {self.reference.name}"
        return f"trial {record.number}: {found}{by}"
