"""Studies that lie finished in output folders or storages, read for a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import UsageError
from studies.model_arm import ledger_file, short_names
from studies.records import IDENTITY, StudyResult, StudySpec, TrialRecord, fastest
from studies.run import SHORT_MAPPER, short_mapper, study_result
from studies.storage import open_all_studies
from studies.suite import Case
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from studies.stored_study import StoredStudy
    from tuners import MapperProblem

__all__ = ["ENDING", "FinishedStudy", "case_of", "case_of_studies", "read_studies", "results_of"]

ENDING = ".journal"
ASIDE = ".aside"  # in the name of a study that was set aside to begin again
_NAME_PLACES = "name output folders of tune or compare, databases, or journals"


@dataclass(frozen=True)
class FinishedStudy:
    """One study as it is kept.

    Attributes:
        location: Its journal or database, without passwords.
        source: The output folder or the storage in which it was looked for, likewise.
        case: Name of its case.
        identity: What it was about.
        spec: With which tuner, seed and number of trials.
        records: Its trials.
        mapper: Its best mapper without what changes nothing; None where that was not kept.
    """

    location: str
    source: str
    case: str
    identity: Mapping[str, Any]
    spec: StudySpec
    records: tuple[TrialRecord, ...]
    mapper: str | None = None


def read_studies(places: Sequence[str], wanted: Case | None = None) -> list[FinishedStudy]:
    """All studies of one case that the places hold, each under a name of its own.

    Studies that ask different models are told apart by them, as in ``llm-trace@gpt-4o``, others of
    the same tuner and seed by their places.

    Args:
        places: Output folders, or the folders of a case in them; URLs of databases; journals.
        wanted: The case, or one of the same application where that has studies of one case only;
            None where the places hold no others.

    Raises:
        UsageError: There are none, or of several cases.
        StorageError: A journal or a database cannot be read, or a process is writing the journal.
    """
    found = [study for place in dict.fromkeys(places) for study in _studies_in(place)]
    if wanted is not None:
        found = [each for each in found if each.identity["application"] == wanted.application]
        found = [each for each in found if each.case == wanted.name] or found
    where = ", ".join(map(redacted_url, places))
    if not found:
        of = "" if wanted is None else f" of {wanted.application}"
        raise UsageError(f"there is no study{of} in {where}: {_NAME_PLACES}")
    cases = sorted({study.case for study in found})
    if len(cases) > 1:
        raise UsageError(
            f"{where} hold studies of {', '.join(cases)}: name the application with its options "
            "(-p, --machine, --nodes), or the folder of one case in an output folder"
        )
    return _named_by_place(_named_by_model(found))


def case_of_studies(studies: Sequence[FinishedStudy]) -> Case:
    """The case that studies were made of, as far as its names tell."""
    return case_of(studies[0].identity)


def case_of(identity: Mapping[str, Any]) -> Case:
    """The same from what a study says that it is about."""
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
                f"the study in {study.location} is of another {differing[0]} "
                f"({study.identity[differing[0]]}, not {ours[differing[0]]})"
            )
    return [
        study_result(
            problem,
            study.spec,
            study.records,
            study.location,
            resumed=len(study.records),
            mapper=study.mapper,
        )
        for study in studies
    ]


def _studies_in(place: str) -> list[FinishedStudy]:
    """Those of a folder's journals, or of one storage; none that were set aside."""
    path = Path(place)
    if "://" in place or path.is_file():
        return list(_studies_of(place, redacted_url(place)))
    if not path.is_dir():
        raise UsageError(f"{redacted_url(place)} is no folder: {_NAME_PLACES}")
    journals = sorted({*path.glob(f"*{ENDING}"), *path.glob(f"*/*{ENDING}")})
    return [
        study
        for journal in journals
        if ASIDE not in journal.name
        for study in _studies_of(str(journal), str(journal.parent.parent))
    ]


def _studies_of(location: str, source: str) -> Iterator[FinishedStudy]:
    """The studies of a storage that have trials, and are this program's."""
    with open_all_studies(location) as stores:
        for name, store in stores.items():
            identity, trials = store.note(IDENTITY), store.trials
            if identity and trials and ASIDE not in name:
                yield _study(name, source, store, identity, list(map(TrialRecord.of, trials)))


def _study(
    name: str,
    source: str,
    store: StoredStudy,
    identity: Mapping[str, Any],
    records: Sequence[TrialRecord],
) -> FinishedStudy:
    spec = StudySpec(identity["tuner"], identity["seed"], len(records), _settings(store, identity))
    case = name.removesuffix(f"-{spec.name}")
    short = short_mapper(store.note(SHORT_MAPPER), fastest(records))
    return FinishedStudy(store.location, source, case, identity, spec, tuple(records), short)


def _settings(store: StoredStudy, identity: Mapping[str, Any]) -> Any:
    """How a study asked its model, and what that has cost; None where it asked none."""
    if "model" not in identity:
        return None
    from tuners.llm.model import MemoryLedger, StorageLedger  # noqa: PLC0415  (where one was asked)
    from tuners.llm.settings import ModelSettings  # noqa: PLC0415  (likewise)

    known = {each.name for each in fields(ModelSettings)}
    given = {name: value for name, value in identity.items() if name in known}
    if store.shared_study is None:
        return ModelSettings(**given, ledger=ledger_file(Path(store.location)))
    account = StorageLedger(store.shared_study).account()
    ledger = MemoryLedger()  # the database is closed when somebody asks
    ledger.seed(sum(account.under_way, account.used))
    return ModelSettings(**given, ledger=ledger)


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


def _named_by_place(found: list[FinishedStudy]) -> list[FinishedStudy]:
    count = Counter((study.spec.tuner, study.spec.seed) for study in found)
    twice = {tuner for (tuner, _), times in count.items() if times > 1}
    return [
        _renamed(study, f"{study.spec.tuner} ({study.source})")
        if study.spec.tuner in twice
        else study
        for study in found
    ]


def _renamed(study: FinishedStudy, tuner: str) -> FinishedStudy:
    return replace(study, spec=replace(study.spec, tuner=tuner))
