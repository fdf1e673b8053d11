"""Studies that lie finished in output folders or storages, read for a comparison."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from studies.errors import StorageError, UsageError
from studies.model_arm import ledger_file, short_names
from studies.records import IDENTITY, StudyResult, StudySpec, TrialRecord, fastest
from studies.run import SHORT_MAPPER, short_mapper, study_result
from studies.storage import open_all_studies, open_snapshot
from studies.study_facts import StudyFacts
from studies.suite import Case
from tuners.redaction import redacted_url

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from studies.stored_study import StoredStudy
    from tuners import MapperProblem

__all__ = [
    "ENDING",
    "REAL",
    "FinishedStudy",
    "case_of",
    "case_of_studies",
    "journals_in",
    "read_each",
    "read_studies",
    "results_of",
    "studies_of",
    "unread_told",
]

OpenAll: TypeAlias = "Callable[[str], AbstractContextManager[Mapping[str, StoredStudy]]]"

ENDING = ".journal"
REAL = "-real-"  # in the name of a case whose program was run
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
        facts: What it keeps about itself; None where it is from before that.
    """

    location: str
    source: str
    case: str
    identity: Mapping[str, Any]
    spec: StudySpec
    records: tuple[TrialRecord, ...]
    mapper: str | None = None
    facts: StudyFacts | None = None


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
    return replace(case_of(studies[0].identity), space=_space_of(studies[0].case))


def case_of(identity: Mapping[str, Any]) -> Case:
    """The same from what a study says that it is about."""
    return Case(
        application=str(identity["application"]),
        machine=str(identity["machine"]),
        parameters=identity["parameters"],
        nodes=identity["nodes"],
        objective=identity.get("objective", "timed"),
    )


def _space_of(case: str) -> str:
    """The search space, which a study does not tell but for the name of its case."""
    from dsl.templates.space.template_for import SPACES  # noqa: PLC0415  (help answers without)

    named = re.search(r"-([a-z]+)(?:-whole)?$", case)
    return named[1] if named and named[1] in SPACES else "paper"


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


def read_each(places: Sequence[str]) -> tuple[list[list[FinishedStudy]], list[str]]:
    """All studies that the places hold, of whatever cases, those that are running as well.

    Args:
        places: As of ``read_studies``; folders are searched with all folders in them.

    Returns:
        The studies of each case, under names of their own, and a sentence on each journal or
        database that cannot be read.

    Raises:
        UsageError: A place is none.
    """
    cases: dict[str, list[FinishedStudy]] = {}
    unread: list[str] = []
    for location, source in dict.fromkeys(
        each for place in places for each in _storages_in(place)
    ):
        with unread_told(location, unread):
            for study in studies_of(location, source, open_snapshot):
                cases.setdefault(_key_of_case(study), []).append(study)
    return [_named_by_place(_named_by_model(each)) for each in cases.values()], unread


@contextmanager
def unread_told(location: str, unread: list[str]) -> Iterator[None]:
    """Adds a sentence to ``unread`` where the studies of a storage cannot be read."""
    try:
        yield
    except StorageError as error:
        unread.append(str(error))
    except (KeyError, TypeError, ValueError, AttributeError):
        unread.append(f"{redacted_url(location)} is left out: its notes are impossible")


def _key_of_case(study: FinishedStudy) -> str:
    """Equal for studies whose throughputs can be compared."""
    told = ("application", "parameters", "machine", "nodes", "objective", "template")
    identity = {"objective": "timed", **study.identity}
    values = {key: identity.get(key) for key in told}
    # What a program of --command depends on stands in the name of its case alone.
    measured = study.case if REAL in study.case else ""
    return json.dumps([values, measured], sort_keys=True, default=str)


def _storages_in(place: str) -> list[tuple[str, str]]:
    """The journals of a folder, or one storage, each with where it was looked for."""
    path = Path(place)
    if "://" in place or path.is_file():
        return [(place, redacted_url(place))]
    if not path.is_dir():
        raise UsageError(f"{redacted_url(place)} is no folder: {_NAME_PLACES}")
    return [(str(each), str(each.parent.parent)) for each in journals_in(path, "**")]


def journals_in(folder: Path, *below: str) -> list[Path]:
    """The journals in a folder and in folders below it; none of studies that were set aside.

    Args:
        folder: The folder.
        below: Patterns of those: ``"*"``, or ``"**"`` for all.
    """
    found = {each for place in (".", *below) for each in folder.glob(f"{place}/*{ENDING}")}
    return sorted(path for path in found if ASIDE not in path.name and path.is_file())


def _studies_in(place: str) -> list[FinishedStudy]:
    """Those of a folder's journals, or of one storage; none that were set aside."""
    path = Path(place)
    if "://" in place or path.is_file():
        return list(studies_of(place, redacted_url(place)))
    if not path.is_dir():
        raise UsageError(f"{redacted_url(place)} is no folder: {_NAME_PLACES}")
    return [
        study
        for journal in journals_in(path, "*")
        for study in studies_of(str(journal), str(journal.parent.parent))
    ]


def studies_of(
    location: str, source: str, open_all: OpenAll = open_all_studies
) -> Iterator[FinishedStudy]:
    """The studies of a storage that have trials, and are this program's."""
    with open_all(location) as stores:
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
    facts, location = StudyFacts.kept_in(store), store.location
    return FinishedStudy(location, source, case, identity, spec, tuple(records), short, facts)


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
