"""How an operation of the language fails, before anyone knows where in the text it stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fault"]


class Fault(Exception):  # noqa: N818  never leaves the package: the user sees a MapperError
    """An operation failed.

    Attributes:
        code: The kind of error, as in `MapperError.code`.
        sentence: What is wrong.
        hint: What to do about it, or None.
        failing: For values that vary over index points, the points for which it failed; None
            where it failed for all.
    """

    def __init__(
        self,
        code: str,
        sentence: str,
        hint: str | None = None,
        *,
        failing: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.hint = hint
        self.failing = failing
