"""Which iterations are simulated, and what one of them takes in the steady state.

Iterations overlap: when the last task of one ends, those of the next have begun. So time is taken
from the end of one iteration to the end of a later one, and more iterations follow, which take
from the last of the measured ones what these took from those before them. What is measured is
settled once the times of its iterations repeat, and then it is whole periods. If they do not, as
many up to the last iteration may all be equal: then none of these was short of anything that
should have followed. Else it is measured again, later and longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from legion_bridge.programs.flat_program import FlatProgram

__all__ = ["Measured", "Window", "beside_the_clock", "is_settled", "measure", "windows"]

SETTLE = 4
"""Iterations before the steady state is taken as reached: two without a trace, two to catch up."""
MEASURE = 4
"""Iterations in the steady state that are measured: twice a period of one or two."""
LATER = (8, 12)
"""Iterations before, and in, the second window: a period of one to four, or six."""
FOLLOWING = 1
"""Iterations after the measured ones."""


class Window(NamedTuple):
    """Iterations: those from ``first`` until ``end`` are measured."""

    first: int
    end: int
    iterations: int

    @property
    def latest(self) -> Window:
        """As many iterations, up to the last."""
        return Window(self.first + self.iterations - self.end, self.iterations, self.iterations)


class Measured(NamedTuple):
    """Seconds since the program began, at the beginning and the end of a window."""

    begin: float
    end: float


def windows(program: FlatProgram) -> tuple[Window, ...]:
    """The windows of a program, each to be used where what the one before found is not settled."""
    application = program.application
    if program.segmented:  # iterations do not overlap
        return (Window(1, 2, 2),)
    total = application.warmup + application.timed
    if total <= SETTLE + MEASURE:  # no steady state: all of it counts
        return (Window(application.warmup, total, total),)
    first = min(SETTLE, application.warmup) if application.warmup else SETTLE
    later = first - SETTLE + LATER[0]
    ends = (first, first + MEASURE), (later, later + LATER[1])
    return tuple(Window(begin, end, end + FOLLOWING) for begin, end in ends)


def measure(
    window: Window,
    timed: Sequence[float],
    untimed: Sequence[float],
    *,
    segmented: bool,
    busiest: float,
) -> Measured:
    """The measured time.

    Where the program's clock runs in a part of each iteration only, the parts are added up.

    Args:
        window: The iterations.
        timed: When the last task that the program's clock runs for ended: in the setup, as far as
            it came before the first task of the loop, and in each iteration.
        untimed: When the last other task ended.
        segmented: Whether the clock runs in a part of each iteration only.
        busiest: Seconds that the busiest processor, runtime or link works in the window for what
            the clock runs for. No schedule that goes on takes less; a window of one that never
            repeats could, by its edges.
    """
    measured = slice(window.first + 1, window.end + 1)
    if segmented:
        begin = untimed[measured][0]
        parts = zip(untimed[measured], timed[measured], strict=True)
        seconds = sum(end - start for start, end in parts)
    else:
        ends = list(accumulate(timed, max))
        begin = ends[window.first]
        seconds = ends[window.end] - begin
    return Measured(begin, begin + max(seconds, busiest))


def is_settled(
    window: Window, timed: Sequence[float], busiest: float, longest: int | None = None
) -> bool:
    """Whether the times of the measured iterations repeat at least once.

    They are compared to the bit: the kernel's times are multiples of a power of two.

    Args:
        window, timed, busiest: As ``measure`` has them.
        longest: The longest period in iterations; None for half of the window.
    """
    ends = list(accumulate(timed, max))[window.first : window.end + 1]
    times = [later - earlier for earlier, later in pairwise(ends)]
    if ends[-1] - ends[0] < busiest:
        return False
    longest = longest or len(times) // 2
    periods = (p for p in range(1, longest + 1) if len(times) % p == 0)
    return any(times[p:] == times[:-p] for p in periods)


def beside_the_clock(
    program: FlatProgram,
    window: Window,
    timed: Sequence[float],
    untimed: Sequence[float],
    measured: Measured,
) -> tuple[float, float]:
    """What the program's own clock does not show, as if all its iterations were simulated.

    Args:
        program: The program.
        window: The iterations that were measured.
        timed, untimed: As ``measure`` has them.
        measured: What it found.

    Returns:
        Seconds of the setup, and of the whole run. Where the clock runs in a part of each
        iteration only, the other parts belong to the setup.
    """
    application = program.application
    setup, total = max(timed[0], untimed[0]), application.warmup + application.timed
    iterations = window.end - window.first
    iteration = (measured.end - measured.begin) / iterations
    if not program.segmented:
        return setup, measured.end + (total - window.end) * iteration
    placing = zip(timed[window.first : window.end], untimed[window.first + 1 :], strict=False)
    beside = sum(max(end - start, 0.0) for start, end in placing) / iterations
    return setup + total * beside, setup + total * (beside + iteration)
