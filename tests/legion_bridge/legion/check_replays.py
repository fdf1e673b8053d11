"""Runs replays of all applications under many random mappers: no checksum may differ.

``python -m tests.legion_bridge.legion.check_replays [MAPPERS [APPLICATION ...]]`` takes some
minutes with the 50 mappers that it runs by default; the tests run a few of each.
"""

from __future__ import annotations

import sys
from collections import Counter
from itertools import islice
from time import perf_counter

from legion_bridge.legion.scaled import scalable_names

from .replay_runs import random_mappers, replay_of, small


def check(name: str, mappers: int) -> bool:
    application = small(name)
    start = perf_counter()
    checksums: Counter[str] = Counter()
    times = []
    with replay_of(application) as replay:
        checksums[replay.run(None).checksum] += 1
        for number, program in enumerate(islice(random_mappers(application, seed=1), mappers)):
            try:
                result = replay.run(program)
            except AssertionError as failure:
                print(f"{name}, mapper {number}: {str(failure).splitlines()[0]}")  # noqa: T201
                checksums["failed"] += 1
                continue
            checksums[result.checksum] += 1
            times.append(result.seconds)
    print(  # noqa: T201
        f"{name:12} {dict(checksums)} {min(times):.4f} to {max(times):.4f} s, "
        f"{perf_counter() - start:.0f} s in all",
        flush=True,
    )
    return len(checksums) == 1


def main(arguments: list[str]) -> int:
    mappers = int(arguments[0]) if arguments else 50
    return int(not all(check(name, mappers) for name in arguments[1:] or scalable_names()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
