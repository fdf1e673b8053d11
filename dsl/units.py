"""Figures as people read them: seconds, bytes, rates and shares in units that suit them.

Prefixes are those of the SI: a kB is 1000 bytes. A figure is rounded before its unit is chosen, so
that nothing is said to be 1000 ms or 1e+03 MB.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["amount", "duration", "percent", "quantity", "seconds", "time_scale"]

_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def seconds(value: float, *, digits: int | None = None) -> str:
    """A time with three decimals, as in a column, or with a number of significant digits.

    Times below a microsecond are whole nanoseconds, unless digits are asked for.

    >>> seconds(0.0018744), seconds(5.5e-05, digits=3), seconds(3.2e-09)
    ('1.874 ms', '55 µs', '3 ns')
    """
    form = f".{digits}g" if digits else ".3f" if value >= 999.5e-9 else ".0f"
    scale, name = _scale(value, _TIMES, form)
    return f"{value / scale:{form}} {name}"


def time_scale(value: float) -> tuple[float, str]:
    """The unit that suits a time, in seconds and by name, such as for the axis of a picture.

    >>> time_scale(0.25)
    (0.001, 'ms')
    """
    return _scale(value, _TIMES, ".3g")


def duration(value: float) -> str:
    """How long people wait: seconds, minutes or hours, the two largest of them.

    >>> duration(0.5), duration(90.2), duration(7200), duration(5400)
    ('0.5 s', '1 min 30 s', '2 h', '1 h 30 min')
    """
    if value < 59.95:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    large, small, names = minutes, rest, ("min", "s")
    if minutes >= 60:
        large, small, names = *divmod(minutes, 60), ("h", "min")
    return f"{large} {names[0]}" + (f" {small} {names[1]}" if small else "")


def amount(value: float) -> str:
    """Bytes with three significant digits.

    >>> amount(2_147_483_648), amount(999_900_000), amount(10)
    ('2.15 GB', '1 GB', '10 B')
    """
    return quantity(value, "B")


def quantity(value: float, unit: str = "", *, digits: int = 3) -> str:
    """A number of a unit, with a prefix where it is large and the unit has none yet.

    >>> quantity(1.2345e10, "points/s", digits=4), quantity(0.5), quantity(5300, "GFLOP/s")
    ('12.35 Gpoints/s', '0.5', '5.3e+03 GFLOP/s')
    """
    form = f".{digits}g"
    prefixes = _PREFIXES[-1:] if unit.startswith(("T", "G", "M")) else _PREFIXES
    scale, prefix = _scale(value, prefixes, form)
    return f"{value / scale:{form}} {prefix}{unit}".rstrip()


def percent(fraction: float, *, decimals: int | None = None) -> str:
    """A share: whole percents, with a decimal below ten, or with as many decimals as are wanted.

    >>> percent(0.583), percent(0.0042), percent(0.5887, decimals=1)
    ('58 %', '0.4 %', '58.9 %')
    """
    if decimals is None:
        decimals = 0 if fraction >= 0.0995 else 1
    return f"{100 * fraction:.{decimals}f} %"


def _scale(value: float, scales: Sequence[tuple[float, str]], form: str) -> tuple[float, str]:
    """The largest unit that a value reaches once it is rounded in the next smaller one."""
    for scale in scales[:-1]:
        if float(f"{1000 * (abs(value) / scale[0]):{form}}") >= 1000:
            return scale
    return scales[-1]
