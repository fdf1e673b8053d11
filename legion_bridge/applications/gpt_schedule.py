"""In which order the passes of micro-batches are launched: one forward, one backward (1F1B).

Each pipeline stage begins with forward passes, as many as it takes until the gradients of the
first come back, goes on with one pass of each kind in turn, and ends with backward passes (arXiv
2104.04473, section 2.2). A stage may have several chunks of layers (interleaving): stage
``i`` of ``p`` then has chunks ``i``, ``p + i``, ``2 p + i`` and so on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Pass", "most_slots", "one_forward_one_backward"]


class Pass(NamedTuple):
    """The pass of a micro-batch through a chunk of layers.

    Attributes:
        chunk: Number of the chunk, from the first layers on.
        micro: Number of the micro-batch.
        forward: Whether it is the forward pass.
        slot: Where its activations are kept: a number that no other micro-batch has on its chunk,
            from 0 to as many as are under way there at once.
    """

    chunk: int
    micro: int
    forward: bool
    slot: int


def one_forward_one_backward(stages: int, chunks: int, micros: int) -> Iterator[Pass]:
    """All passes of a step, in an order in which each comes after those that it needs.

    Args:
        stages: Pipeline stages.
        chunks: Chunks of layers a stage; with more than one, ``micros`` is a multiple of
            ``stages``.
        micros: Micro-batches.

    >>> ["FB"[not p.forward] + str(p.chunk) + str(p.micro)
    ...  for p in one_forward_one_backward(2, 1, 3)]
    ['F00', 'F10', 'F01', 'B10', 'B00', 'F11', 'F02', 'B11', 'B01', 'F12', 'B12', 'B02']
    """
    queues = [list(_of_stage(i, stages, chunks, micros)) for i in range(stages)]
    position, done = [0] * stages, set[tuple[int, int, bool]]()
    free, taken = defaultdict[int, list[int]](list), defaultdict[int, int](int)
    held: dict[tuple[int, int], int] = {}
    left = 2 * stages * chunks * micros
    while left:
        for stage, queue in enumerate(queues):
            if position[stage] == len(queue):
                continue
            chunk, micro, forward = queue[position[stage]]
            if not _is_ready(chunk, micro, forward, stages * chunks - 1, done):
                continue
            position[stage] += 1
            left -= 1
            done.add((chunk, micro, forward))
            if forward:
                if free[chunk]:
                    slot = free[chunk].pop()
                else:
                    slot = taken[chunk]
                    taken[chunk] += 1
                held[chunk, micro] = slot
            else:
                slot = held.pop((chunk, micro))
                free[chunk].append(slot)
            yield Pass(chunk, micro, forward, slot)


def most_slots(passes: Iterable[Pass]) -> dict[int, int]:
    """For how many micro-batches at once each chunk keeps activations."""
    most: dict[int, int] = defaultdict(int)
    for each in passes:
        most[each.chunk] = max(most[each.chunk], each.slot + 1)
    return dict(most)


def _is_ready(
    chunk: int, micro: int, forward: bool, last: int, done: set[tuple[int, int, bool]]
) -> bool:
    if forward:
        return chunk == 0 or (chunk - 1, micro, True) in done
    return (chunk, micro, True) in done and (chunk == last or (chunk + 1, micro, False) in done)


def _of_stage(
    stage: int, stages: int, chunks: int, micros: int
) -> Iterator[tuple[int, int, bool]]:
    """The passes of a stage in its order."""
    total = chunks * micros
    behind = stages - stage - 1
    ahead = min(behind if chunks == 1 else 2 * behind + (chunks - 1) * stages, total)
    forward = [_pass(k, stage, stages, chunks, forward=True) for k in range(total)]
    backward = [_pass(k, stage, stages, chunks, forward=False) for k in range(total)]
    yield from forward[:ahead]
    for k in range(total - ahead):
        yield forward[ahead + k]
        yield backward[k]
    yield from backward[total - ahead :]


def _pass(
    number: int, stage: int, stages: int, chunks: int, *, forward: bool
) -> tuple[int, int, bool]:
    """A stage's pass by its number: groups of as many micro-batches as stages, chunk by chunk."""
    if chunks == 1:
        return stage, number, forward
    group, within = divmod(number, stages * chunks)
    chunk, micro = divmod(within, stages)
    if not forward:
        chunk = chunks - 1 - chunk
    return chunk * stages + stage, group * stages + micro, forward
