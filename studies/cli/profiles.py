"""Where the time of a run went, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studies.cli.console import say, table

if TYPE_CHECKING:
    from legion_bridge.outcome import Profile

__all__ = ["print_profile"]


def print_profile(profile: Profile) -> None:
    """Prints where the time of a run went."""
    from legion_bridge.traces.tables import profile_tables

    for found in profile_tables(profile):
        say(f"\n{found.title}")
        table(found.columns, found.rows, words=found.numeric.index(True))
