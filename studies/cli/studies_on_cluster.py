"""The studies of a comparison on a Dask cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studies.cli.console import warn
from studies.cli.progress import progress
from studies.errors import UsageError

if TYPE_CHECKING:
    from studies.cli.study_runner import StudyRunner
    from studies.dask_demands import Demands
    from studies.records import StudyResult, StudySpec
    from studies.worker import Setting

__all__ = ["run_on_cluster"]


def run_on_cluster(
    runner: StudyRunner,
    specs: Sequence[StudySpec],
    where: str,
    *,
    jobs: int | None,
    sharing: int | None,
) -> tuple[list[StudyResult], int | None]:
    """Runs studies on a cluster and shows their progress.

    Args:
        runner: What they have in common.
        specs: The studies.
        where: The cluster, as ``studies.dask_cluster.connected`` takes it.
        jobs: How many processes run at a time; None for as many as workers have threads.
        sharing: How many may take part in one study of a database; None for any number.

    Returns:
        What they found, and the signal that stopped them; None where none did.

    Raises:
        UsageError: A worker cannot run them, or they are to be where workers cannot write.
        ClusterError: The cluster cannot be reached, or is gone.
    """
    from studies.dask_cluster import connected
    from studies.on_cluster import OnCluster
    from studies.side_by_side import cores

    if sharing is not None and sharing > 1 and runner.workspace.storage is None:
        raise UsageError("processes share a study in a database alone: name one by --storage")
    with connected(where, jobs or cores()) as cluster, _demands(runner, specs) as demands:
        setting = _tracked(_portable(runner.setting), cluster.check(demands), demands)
        with progress([spec.trials for spec in specs]) as start:
            studies = OnCluster(
                cluster,
                setting,
                runner.rules,
                demands,
                warn,
                jobs=jobs,
                sharing=1 if setting.storage is None else sharing,
            )
            results = studies.run(specs, lambda spec: runner.begin(spec, start))
    if studies.tracked:
        runner.note_tracked()
    for result in results:
        runner.workspace.write_best(runner.case, result)
    return results, studies.stopped_by


@contextlib.contextmanager
def _demands(runner: StudyRunner, specs: Sequence[StudySpec]) -> Iterator[Demands]:
    """What workers must have; the file that they must see is there as long as this lasts."""
    from studies.addresses import database_file
    from studies.dask_demands import Demands, described
    from studies.files import make_folder

    workspace = runner.workspace
    folder = workspace.folder.absolute()
    make_folder(folder)
    needs = None
    if workspace.storage is None:
        needs = "the journals of studies are written"
    elif any(spec.llm is not None for spec in specs):
        needs = "what is said to models is written"
    file = None if workspace.storage is None else database_file(workspace.storage)
    with tempfile.NamedTemporaryFile(prefix=".mappertune-", dir=folder) as marker:
        path = Path(marker.name)
        yield Demands(
            here=described(str(path)),
            marker=path,
            folder=folder,
            folder_for=needs,
            one_host=None if file is None else str(file),
        )


def _portable(setting: Setting) -> Setting:
    """With paths that hold in whatever folder a worker was started."""
    from studies.addresses import database_file

    storage = setting.storage
    file = None if storage is None else database_file(storage)
    if storage is not None and file is not None and not file.is_absolute():
        from sqlalchemy.engine import make_url

        url = make_url(storage).set(database=str(file.absolute()))
        storage = url.render_as_string(hide_password=False)
    return dataclasses.replace(
        setting, folder=setting.folder.absolute(), storage=storage, working_folder=Path.cwd()
    )


def _tracked(setting: Setting, hosts: set[str], demands: Demands) -> Setting:
    """Without tracking in a file to which several machines would write."""
    if not setting.tracked or setting.tracking_uri is not None:
        return setting
    if hosts == {demands.here["host"]}:
        return setting
    warn(
        "MLflow's own database is a file, which other machines cannot write to: these studies are "
        "not tracked; name a server by --mlflow for that"
    )
    return dataclasses.replace(setting, tracked=False)
