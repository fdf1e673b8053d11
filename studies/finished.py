"""Studies that lie finished in output folders, read for a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import UsageError
from studies.model_arm import ledger_file, short_names
from studies.records import StudyResult, StudySpec, TrialRecord, fastest
from studies.run import IDENTITY, SHORT_MAPPER, short_mapper, study_result
from studies.storage import StudyStore
from studies.suite import Case

if TYPE_CHECKING:
    from tuners import MapperProblem

__all__ = ["FinishedStudy", "case_of_studies", "read_studies", "results_of"]

ENDING = ".journal"


@dataclass(frozen=True)
class FinishedStudy:
    """One study as it lies in a folder.

    Attributes:
        path: Its journal.
        identity: What it was about.
        spec: With which tuner, seed and number of trials.
        records: Its trials.
        mapper: Its best mapper without what changes nothing; None where that was not kept.
    """

    path: Path
    identity: Mapping[str, Any]
    spec: StudySpec
    records: tuple[TrialRecord, ...]
    mapper: str | None = None


def read_studies(folders: Sequence[Path], application: str | None = None) -> list[FinishedStudy]:
    """All studies of one case that the folders hold, each under a name of its own.

    Studies that ask different models are told apart by them, as in ``llm-trace@gpt-4o``, others of
    the same tuner and seed by their folders.

    Args:
        folders: Output folders, or the folders of a case in them.
        application: The application; None where the folders hold studies of one case only.

    Raises:
        UsageError: There are none, or of several cases.
        StorageError: A journal cannot be read, or a process is writing it.
    """
    found = [study for folder in folders for study in _studies_in(folder)]
    if application is not None:
        found = [each for each in found if each.identity["application"] == application]
    where = ", ".join(map(str, folders))
    if not found:
        of = f" of {application}" if application else ""
        raise UsageError(
            f"there is no study{of} in {where}: name output folders of tune or compare"
        )
    cases = sorted({study.path.parent.name for study in found})
    if len(cases) > 1:
        raise UsageError(
            f"{where} hold studies of {', '.join(cases)}: name the folder of one case, such as "
            f"{found[0].path.parent}"
        )
    return _named_by_folder(_named_by_model(found))


def case_of_studies(studies: Sequence[FinishedStudy]) -> Case:
    """The case that studies were made of, as far as its names tell."""
    identity = studies[0].identity
    return Case(
        application=str(identity["application"]),
        machine=str(identity["machine"]),
        parameters=identity["parameters"],
        nodes=identity["nodes"],
    )


def results_of(studies: Sequence[FinishedStudy], problem: MapperProblem) -> list[StudyResult]:
    """What the studies found, beside the references of their case.

    Raises:
        UsageError: A study is of other sizes, or of another machine.
    """
    ours = {
        "application": problem.application.name,
        "parameters": dict(problem.application.parameters),
        "machine": problem.machine.name,
        "nodes": problem.machine.shape.nodes,
    }
    for study in studies:
        differing = [key for key, value in ours.items() if study.identity[key] != value]
        if differing:
            raise UsageError(
                f"the study in {study.path} is of another {differing[0]} "
                f"({study.identity[differing[0]]}, not {ours[differing[0]]})"
            )
    return [
        study_result(
            problem,
            study.spec,
            study.records,
            str(study.path),
            resumed=len(study.records),
            mapper=study.mapper,
        )
        for study in studies
    ]


def _studies_in(folder: Path) -> list[FinishedStudy]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: name output folders of tune or compare")
    journals = sorted({*folder.glob(f"*{ENDING}"), *folder.glob(f"*/*{ENDING}")})
    studies = [_study(path) for path in journals if ".aside" not in path.name]
    return [study for study in studies if study is not None]


def _study(path: Path) -> FinishedStudy | None:
    """The study of a journal; None for one without trials."""
    name = f"{path.parent.name}-{path.name.removesuffix(ENDING)}"
    with StudyStore.open_study(name, str(path)) as store:
        identity, trials, short = store.note(IDENTITY), store.trials, store.note(SHORT_MAPPER)
    if not identity or not trials:
        return None
    spec = StudySpec(identity["tuner"], identity["seed"], len(trials), _settings(path, identity))
    records = tuple(map(TrialRecord.of, trials))
    return FinishedStudy(path, identity, spec, records, short_mapper(short, fastest(records)))


def _settings(path: Path, identity: Mapping[str, Any]) -> Any:
    """How a study asked its model; None where it asked none."""
    if "model" not in identity:
        return None
    from tuners.llm.settings import ModelSettings  # noqa: PLC0415  (only where a model was asked)

    known = {each.name for each in fields(ModelSettings)}
    given = {name: value for name, value in identity.items() if name in known}
    return ModelSettings(**given, ledger=ledger_file(path))


def _named_by_model(found: list[FinishedStudy]) -> list[FinishedStudy]:
    models = list(dict.fromkeys(str(s.spec.llm.model) for s in found if s.spec.llm is not None))
    if len(models) < 2:
        return found
    short = dict(zip(models, short_names(models), strict=True))
    return [
        study
        if study.spec.llm is None or "@" in study.spec.tuner
        else _renamed(study, f"{study.spec.tuner}@{short[str(study.spec.llm.model)]}")
        for study in found
    ]


def _named_by_folder(found: list[FinishedStudy]) -> list[FinishedStudy]:
    count = Counter((study.spec.tuner, study.spec.seed) for study in found)
    twice = {tuner for (tuner, _), times in count.items() if times > 1}
    return [
        _renamed(study, f"{study.spec.tuner} ({_folder(study.path)})")
        if study.spec.tuner in twice
        else study
        for study in found
    ]


def _folder(journal: Path) -> str:
    return str(journal.parent.parent)


def _renamed(study: FinishedStudy, tuner: str) -> FinishedStudy:
    return replace(study, spec=replace(study.spec, tuner=tuner))
