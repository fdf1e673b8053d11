"""Keeping keys out of everything that is written or said."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Redactor", "redacted_url"]

HIDDEN = "[key]"
# A key that is shorter than this is no secret, and might be a word of the prompt.
SHORTEST = 6
BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{6,}")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


class Redactor:
    """Takes keys out of texts, and bearer tokens and credentials in addresses besides.

    >>> Redactor(["sk-secret"]).text("wrong key sk-secret for http://me:pass@host/v1")
    'wrong key [key] for http://[key]@host/v1'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {each for each in secrets if len(each) >= SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def text(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = BEARER.sub(f"Bearer {HIDDEN}", text)
        return CREDENTIALS.sub(f"{HIDDEN}@", text)

    def value(self, value: Any) -> Any:
        """The same for all texts in a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def redacted_url(url: str) -> str:
    """An address without credentials, and without a query, which may hold a key.

    >>> redacted_url("https://me:pass@host/v1?key=1")
    'https://[key]@host/v1'
    """
    return CREDENTIALS.sub(f"{HIDDEN}@", url.split("?", 1)[0])
