"""A Dask cluster: one that exists, by the address of its scheduler, or one within this process."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from studies.dask_demands import ASK, Demands, misfit
from studies.dask_part import Ended, Lost, Part, stop_parts, take_part
from studies.errors import ClusterError, StudyError, UsageError
from tuners.redaction import process_redactor, redacted_url

if TYPE_CHECKING:
    from distributed import Client, Future


__all__ = ["LOCAL", "Cluster", "connected"]

T = TypeVar("T")

LOCAL = "local"
NOWHERE = "127.0.0.1:0"  # Dask opens a page in any case: on loopback then
SECONDS_TO_CONNECT = 10.0
SECONDS_TO_ANSWER = 30.0
INSTALL = "pip install 'mappertune[distributed]'"

_ADDRESS = re.compile(r"(?:tcp|tls|ucxx?|wss?)://\S+|[\w.\[\]:-]+:\d+")
_LOCAL = re.compile(rf"{LOCAL}(?::([1-9]\d*))?")


@contextmanager
def connected(where: str, cores: int) -> Iterator[Cluster]:
    """Connects to a cluster.

    Args:
        where: ``local`` or ``local:N``, the address of a scheduler, or the path of its file.
        cores: How many studies run at a time where it is ``local``.

    Raises:
        UsageError: There is no such place, or Dask is not installed.
        ClusterError: No scheduler answers there.
    """
    local = _LOCAL.fullmatch(where)
    settings: dict[str, Any] = {} if local else _place(where)
    if importlib.util.find_spec("distributed") is None:
        raise UsageError(f"--dask needs the Python package distributed: {INSTALL}")
    shown = LOCAL if local else redacted_url(where)
    with _quiet():
        from distributed import Client, LocalCluster  # noqa: PLC0415  (an extra; takes a second)

        cluster = None
        if local:  # the studies' processes do the work: Dask's own may be threads of this one
            cluster = LocalCluster(
                n_workers=1,
                threads_per_worker=int(local[1] or cores),
                processes=False,
                dashboard_address=NOWHERE,
                worker_dashboard_address=NOWHERE,
                memory_limit=0,
            )
            settings = {"address": cluster}
        else:
            settings["security"] = _security(settings["address"])
        _silence()
        client = None
        try:
            try:
                client = Client(
                    **settings,
                    timeout=SECONDS_TO_CONNECT,
                    set_as_default=False,
                    name="mappertune",
                )
            except Exception as error:  # noqa: BLE001  (Dask's: each protocol has its own)
                raise ClusterError(
                    f"no Dask scheduler answers at {shown}: {_said(error)}; see that it runs and "
                    "that this machine reaches it"
                ) from None
            yield Cluster(client, shown)
        finally:
            if client is not None:
                client.close(timeout=2)
            if cluster is not None:
                cluster.close(timeout=2)


def _place(where: str) -> dict[str, Any]:
    """How a client is told where the scheduler is.

    Raises:
        UsageError: It is no address, and there is no such file.
    """
    if os.path.isfile(where):  # noqa: PTH113  (a text that no path can be is no file)
        return {"address": _address_in(Path(where))}
    if not _ADDRESS.fullmatch(where) or where.startswith(f"{LOCAL}:"):
        raise UsageError(
            f"{redacted_url(where)!r} is neither the address of a Dask scheduler, such as "
            f"tcp://host:8786, nor the path of a scheduler file that exists, nor {LOCAL} or "
            f"{LOCAL}:N"
        )
    return {"address": where}


def _address_in(file: Path) -> str:
    """What a scheduler has written of itself.

    Raises:
        UsageError: It is not of a scheduler.
    """
    try:
        address = str(json.loads(file.read_text("utf-8"))["address"])
    except (ValueError, KeyError, TypeError):
        address = ""
    if not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"{file} is no file that a Dask scheduler has written, by --scheduler-file: it tells "
            "no address"
        )
    return address


def _security(address: str) -> Any:
    """The certificates that Dask's settings name; None where none are needed.

    Raises:
        UsageError: They are needed, and there are none.
    """
    from distributed.security import Security  # noqa: PLC0415  (an extra; takes a second)

    scheme = address.partition("://")[0]
    if scheme not in ("tls", "wss"):
        return None
    security = Security()
    files = security.tls_ca_file, security.tls_client_cert, security.tls_client_key
    if not all(file and Path(file).is_file() for file in files):
        raise UsageError(
            f"{redacted_url(address)} wants certificates, and Dask's settings "
            "(distributed.comm.tls) name no files here of an authority, and of the client's own "
            "certificate and key"
        )
    return security


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask says nothing by itself: what users need to know is told in sentences."""
    import dask  # noqa: PLC0415  (an extra)

    quiet = {"logging.distributed": "critical", "distributed.logging.distributed": "critical"}
    with dask.config.set(quiet), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions: they are compared by our own measure
        yield


def _silence() -> None:
    """Each part of Dask has a logger with a level of its own."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.partition(".")[0] == "distributed" and isinstance(logger, logging.Logger):
            logger.setLevel(logging.CRITICAL + 1)


class Cluster:
    """A cluster to which this process is connected.

    Attributes:
        shown: Its address, to be told.
    """

    def __init__(self, client: Client, shown: str) -> None:
        self._client = client
        self._hosts: dict[str, str] = {}
        self.shown = shown

    def slots(self, demands: Demands) -> int:
        """How many parts run at a time: threads of all workers.

        Args:
            demands: What those that are new must have.

        Raises:
            UsageError: One of them lacks it; the sentence says which, and what.
            ClusterError: The scheduler is gone.
        """
        threads = self._threads()
        self._look_at(sorted(threads.keys() - self._hosts.keys()), demands)
        return sum(threads[address] for address in threads.keys() & self._hosts.keys())

    def check(self, demands: Demands) -> set[str]:
        """Looks whether the scheduler and the workers that are there can run studies.

        Returns:
            The hosts of the workers.

        Raises:
            UsageError: One of them cannot; the sentence says which, and why.
            ClusterError: The scheduler is gone.
        """
        ask = _guarded(ASK.format(marker=str(demands.marker)))
        scheduler = self._asked(lambda: self._client.run_on_scheduler(eval, ask))
        _check(f"the Dask scheduler {self.shown}", scheduler, demands, is_worker=False)
        self.slots(demands)
        return set(self._hosts.values())

    def _threads(self) -> dict[str, int]:
        """Of each worker that is there now."""
        ask = self._client.scheduler.ncores
        found = self._asked(lambda: self._client.sync(ask, callback_timeout=SECONDS_TO_ANSWER))
        return dict(found)

    def _look_at(self, addresses: list[str], demands: Demands) -> None:
        """Looks at new workers before they get a task: one without our modules dies of it."""
        if not addresses:
            return
        ask = ASK.format(marker=str(demands.marker))
        found = self._asked(
            lambda: self._client.run(eval, ask, workers=addresses, on_error="return")
        )
        for address, there in found.items():
            if not isinstance(there, OSError):  # else it has gone meanwhile
                _check(f"the Dask worker {address}", there, demands)
                self._hosts[address] = there["host"]

    def subscribe(self, topic: str, take: Callable[[list[Any]], object]) -> None:
        """Has events of workers taken, in a thread of Dask's, until the client is closed."""
        self._client.subscribe_topic(topic, lambda event: take(event[1]))

    def submit(self, part: Part, wake: Callable[[], object]) -> Future:
        """Lets a worker take a part in a study.

        Args:
            part: What is to be done.
            wake: Called when it has ended, in a thread of Dask's.
        """
        key = f"mappertune-{part.task.spec.name}-{part.token}-{part.number}"
        future = self._asked(lambda: self._client.submit(take_part, part, key=key, pure=False))
        future.add_done_callback(lambda _: wake())
        return future

    def value(self, future: Future) -> Ended:
        """What came of a part that has ended, whatever Dask makes of it.

        Raises:
            StudyError: It fails by itself.
            ClusterError: The scheduler is gone.
        """
        if future.status in ("cancelled", "lost"):
            raise self.gone()
        error = self._asked(lambda: future.exception(SECONDS_TO_ANSWER))
        if error is None:
            ended: Ended = self._asked(lambda: future.result(SECONDS_TO_ANSWER))
            return ended
        if type(error).__name__ == "KilledWorker":
            return Ended(Lost("died with its Dask worker, again and again"))
        said = _said(f"{type(error).__name__}: {error}")
        raise StudyError(f"the Dask cluster {self.shown} cannot run studies: {said}")

    def stop(self, token: str, number: int) -> None:
        """Ends the processes of a comparison on all workers, in order."""
        self._asked(lambda: self._client.run(stop_parts, token, number, on_error="ignore"))

    def cancel(self, futures: list[Future]) -> None:
        """Forgets parts; their processes end by themselves."""
        if futures and self._client.status == "running":
            self._asked(lambda: self._client.cancel(futures))

    def gone(self) -> ClusterError:
        """That the scheduler does not answer any more, as an error."""
        return ClusterError(
            f"the Dask scheduler {self.shown} has gone: what the studies had stored is safe, and "
            "the same command goes on with it where there is a scheduler again"
        )

    def _asked(self, ask: Callable[[], T]) -> T:
        if self._client.status != "running":
            raise self.gone()
        try:
            return ask()
        except (OSError, TimeoutError):  # Dask's errors of connections are among the first
            raise self.gone() from None
        except Exception:
            if self._client.status == "running":
                raise
            raise self.gone() from None


def _guarded(ask: str) -> str:
    """Has a text evaluated so that what is missing is a value: the scheduler's answer is one."""
    return (
        f"__import__('importlib.util', fromlist=['_']).find_spec('studies') is not None and {ask}"
    )


def _check(who: str, there: object, demands: Demands, *, is_worker: bool = True) -> None:
    if not isinstance(there, Mapping):
        missing = there is False or isinstance(there, ImportError | AttributeError)
        lacks = "has no mappertune, or an older one" if missing else f"fails: {_said(there)}"
        version = demands.here["mappertune"]
        raise UsageError(
            f"{who} {lacks}; install on all machines what is installed here, mappertune {version}"
        )
    if not is_worker:  # it runs no study
        there = {**there, "host": demands.here["host"], "sees": True}
    if (why := misfit(there, demands)) is not None:
        raise UsageError(f"{who} {why}")


def _said(error: object) -> str:
    """The first line of what an error says, without secrets."""
    said = process_redactor().message(str(error)).strip()
    return said.splitlines()[0].rstrip(".") if said else type(error).__name__
