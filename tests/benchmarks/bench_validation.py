"""How well simulated runs agree with the measured ones of ``tests/data``.

Run as ``python -m tests.benchmarks.bench_validation [--write FOLDER]``. Prints what
``mappertune validate`` sums up, by application and by number of nodes, and the same of the errors
of times (``validate`` compares what was measured, mostly throughputs). With ``--write`` the tables
and the picture go into ``validation.md`` and ``validation.png`` of a folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from legion_bridge import Validation, validate
from legion_bridge.validation import Agreement, agreement
from legion_bridge.validation.scatter import plot_agreement

DATA = Path(__file__).parent.parent / "data"
FILES = (DATA / "measured_gemm.json", DATA / "measured_stencil.json")
PAGE = """\
# Simulated against measured runs

Published measurements of two families of programs on Lassen (4 V100 a node, 1 to 64 nodes): a
stencil, 645 runs under its expert's mapper with different sizes, tilings and blocks; and six
distributed matrix multiplications under their experts' mappers and under mappers without index
maps, {runs} runs. Each is built at its size, mapped as it was, and simulated on the machine
`lassen`, whose constants are the same for all; no program has a factor of its own.

Published training steps of large language models on A100 have a page of their own,
[sharding.md](sharding.md).

{by_application}

By number of nodes:

{by_nodes}

Error is |simulated - measured| / measured, of what was measured: throughputs of the
multiplications, seconds of the stencil. Tau is Kendall's, over the mappers of a configuration
(a program, a size and a number of nodes; its mean) and over all runs, of seconds; and of the
throughputs of all runs, which are what a tuner compares. Order is the share of
pairs of mappers of a configuration whose measured times differ by over 5 % and whose faster one
is faster in simulation. Out of memory: runs that ended so on the machine, how many of them do in
simulation, and how many others.

![Simulated against measured seconds of all runs, with a band of 15 %](validation.png)

The same errors of the seconds of all runs (a run that is simulated to take twice as long is wrong
by 100 % of the time and by 50 % of the throughput), by application, and by number of nodes for the
multiplications and for the stencil:

{by_time}

## What it misses

- **51 of the 645 stencil runs**: those with 50 million points a GPU on 32 and 64 nodes, and 100
  million on 64. They took 0.25 or 0.49 s whatever their shape, longer than runs with half as many
  points again, and stand as two columns in the picture. Without them tau of the seconds of all
  runs is 0.94; with them it is 0.93.
- **Cannon on 2 nodes** took 2.4 s and is simulated to take 1.5 s. In a log of it the second
  remote product of all GPUs was mapped 0.8 s late: mapping seems to wait for bulk data, which is
  not simulated.
- **PUMMA and SUMMA on 2 nodes** are simulated 25 to 35 % too slow, PUMMA on 32 as much too fast.
- **Solomonik's and Johnson's experts on 4 nodes, Solomonik's on 8** take half as long again in
  simulation: their copies share the network evenly, so that the first product gets its data late.
- **Johnson's default mapper on 8 nodes** is simulated 30 % too fast, on 2 nodes it and COSMA's 10
  %. Their homes lie on half of the GPUs or fewer, which send to ranks of their own node as well.
  Realm (commit c9db9371, `cuda_internal.cc`) queues a copy to another rank of the node on the GPU
  as a whole, but one over the network a buffer at a time; so the latter stand still meanwhile.
  Without that both mappers took equally long on 2 nodes, to 0.1 %; with it they come in order. It
  explains a third of the difference.
- **COSMA on one node** is simulated 15 to 17 % too fast. Its folds go from one socket to the
  other, over the X bus (30 GB/s one way would fit, and the copies of Johnson on one node as
  well), while all GPUs of a node are equally near to each other here.
- How fast one large copy can be at most (`stream`, `split_stream` of `lassen.toml`) differs by
  how many ranks share a node. Both are fitted; why they differ is a guess (a launch with four
  ranks has more background workers). Tried, and no better: buffers for so many copies into a GPU
  at once (with three, Johnson's expert on 4 nodes takes 1.2 in place of 1.4 of its time, but
  Cannon's, PUMMA's and SUMMA's default mappers there 2.2 to 2.4; with eight 1.1 to 1.2).
- Solomonik's two mappers lie within 2 % of each other on 1 and 2 nodes: their order there is
  noise, which is why its tau is low.

## The paper's node

On `p100x4` no times of single mappers were published, but these ratios were:

- Circuit with shared and ghost regions in the frame buffer against the expert: 1.31 (1.34).
- Random mappers of the paper's space that fail, over nine applications: 89 % (82 %). Circuit's
  never do, those of the others almost always: one wrong layout is enough, and there are many.
- One-node multiplications without instance limits: 1.06 to 1.07 of the expert (1.07 to 1.09).
- COSMA: the best of 2,000 mappers that a search of all homes and places met is 1.118 of the
  expert (1.25 to 1.31). An iteration takes 1.072 in place of 1.199 s, 0.870 s of either is one
  product. In both two GPUs wait 133 ms for their tile of B. Under the expert's map they then also
  send their sums of A, 187 ms. The found map makes them the homes of A instead, so that the sums
  of those that had B at hand arrive while they multiply; 59 ms of folds are left. As much data
  moves as before, the least that one product a GPU can do with: each tile of B is read, and each
  tile of A summed, on two of them. 0.6 % above the floor, the rest of the published gain is not
  explained by where data lies.
- Stencil's and pennant's experts are within 4 % of the best that any tuner found.

## Measurements of one's own

`mappertune validate FILE ... [--machine M] [--plot OUT.png]` prints the same for any file of
measured runs; `--json` gives every row. A file is a JSON object with a list `rows`:

```json
{{
  "rows": [
    {{"application": "circuit", "nodes": 2, "mapper": "expert", "elapsed_s": 0.41}},
    {{"application": "circuit", "nodes": 2, "mapper": "mine.map", "elapsed_s": 0.32}},
    {{"application": "cannon", "nodes": 1, "n": 20000, "expert": 27118.0, "default": 7637.0}}
  ]
}}
```

- `application` (or `alg`), `nodes`, and any parameters of the application (`mappertune show
  APP`).
- Either `elapsed_s`, seconds of the timed part, under the mapper that `mapper` names: `expert`
  (taken where nothing is said), `default`, or the path of a `.map` file, relative to the file.
  Or a column for each mapper, `expert` (or `cpp`, `dsl`) and `default` (or `dft`), with its
  throughput per node in the application's unit, 0 where it ran out of memory; `expert_sec` and
  so on are seconds of one iteration in its place. What is null was not measured.
- `limits`: whether the run had the instance limits of its mapper. Where nothing is said, the
  multiplications had them on 8, 32 and 128 nodes, as the published ones did, and all others had.
- `dim`: 2 where the stencil's nodes have blocks of 2 x 2 tiles.
- `role`: what the row may be used for, such as `fit` or `judge`; agreement is told for each.
- A row may be a list if `columns` names its values. What all rows share may stand beside `rows`,
  or in an object `common`.

Written by `python -m tests.benchmarks.bench_validation --write docs`.
"""


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def decimals(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


COLUMNS: dict[str, Callable[[Agreement], str]] = {
    "runs": lambda a: str(a.rows),
    "median error": lambda a: share(a.median_error),
    "90th percentile": lambda a: share(a.p90_error),
    "tau, mappers": lambda a: decimals(a.tau_within),
    "tau, all": lambda a: decimals(a.tau),
    "tau, rates": lambda a: decimals(a.tau_throughput),
    "order": lambda a: share(a.order),
    "pairs": lambda a: str(a.pairs),
    "out of memory": lambda a: (
        f"{a.out_of_memory}, {a.out_of_memory_found}, {a.out_of_memory_false}"
    ),
}


TIME_COLUMNS = ("runs", "median error of time", "90th percentile")


def by_application(found: Validation) -> dict[str, Agreement]:
    rows = [row for row in found.rows if row.measurement.application != "stencil"]
    return {"multiplications": agreement(rows), **found.by_application}


def by_nodes(found: Validation) -> dict[str, Agreement]:
    groups: dict[str, Agreement] = {}
    for family, wanted in (("stencil", True), ("multiplications", False)):
        rows = [r for r in found.rows if (r.measurement.application == "stencil") == wanted]
        for nodes in sorted({row.measurement.nodes for row in rows}):
            mine = [row for row in rows if row.measurement.nodes == nodes]
            groups[f"{family}, nodes: {nodes}"] = agreement(mine)
    return groups


def time_errors(found: Validation) -> dict[str, list[float]]:
    """Errors of the seconds of runs that ended on the machine; 1 where they fail in simulation."""
    groups: dict[str, list[float]] = {}
    for row in found.rows:
        if row.measured_seconds is None:
            continue
        name, nodes = row.measurement.application, row.measurement.nodes
        family = "stencil" if name == "stencil" else "multiplications"
        simulated = row.simulated_seconds
        error = 1.0 if simulated is None else abs(simulated / row.measured_seconds - 1.0)
        for group in dict.fromkeys((family, name, f"{family}, nodes: {nodes}")):
            groups.setdefault(group, []).append(error)
    names = sorted(groups, key=lambda group: ("nodes" in group, group.split(":")[0]))
    return {name: groups[name] for name in names}


def time_lines(groups: dict[str, list[float]]) -> list[list[str]]:
    return [
        [name, str(len(errors)), *(share(float(np.percentile(errors, at))) for at in (50, 90))]
        for name, errors in groups.items()
    ]


def lines(groups: dict[str, Agreement]) -> list[list[str]]:
    return [[name, *(cell(a) for cell in COLUMNS.values())] for name, a in groups.items()]


def markdown(columns: Iterable[str], body: list[list[str]]) -> str:
    columns = tuple(columns)
    rows = [["", *columns], ["---", *["---:"] * len(columns)], *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    folder = parser.parse_args().write
    found = validate(FILES)
    tables = [
        (tuple(COLUMNS), lines(by_application(found))),
        (tuple(COLUMNS), lines(by_nodes(found))),
        (TIME_COLUMNS, time_lines(time_errors(found))),
    ]
    for columns, body in tables:
        table = Table("", *columns)
        for line in body:
            table.add_row(*line)
        Console(width=130).print(table)
    if folder is not None:
        first, second, third = (markdown(*table) for table in tables)
        runs = by_application(found)["multiplications"].rows
        page = PAGE.format(runs=runs, by_application=first, by_nodes=second, by_time=third)
        (folder / "validation.md").write_text(page, "utf-8")
        plot_agreement(found, folder / "validation.png")


if __name__ == "__main__":
    main()
