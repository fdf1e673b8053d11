"""Keeping keys out of everything that is written or said."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

__all__ = ["Redactor", "Secret", "keys_of_environment", "redacted_url", "without_credentials"]

HIDDEN = "[key]"
# A key that is shorter than this is no secret, and might be a word of the prompt.
SHORTEST = 8
BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{6,}")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


# Variables that may hold the key of some provider; litellm reads them by itself.
KEY_VARIABLE = re.compile(r"(?i)(_KEY|_KEY_ID|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$")


class Secret:
    """A text that no traceback, log or repr shows.

    >>> Secret("sk-secret")
    [key]
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """The text itself."""
        return self._value


class Redactor:
    """Takes keys out of texts, and bearer tokens and credentials in addresses besides.

    >>> Redactor(["sk-secret"]).text("wrong key sk-secret for http://me:pass@host/v1")
    'wrong key [key] for http://[key]@host/v1'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for each in secrets if len(each) >= SHORTEST for form in _forms(each)}
        self._secrets = sorted(found, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def text(self, text: str) -> str:
        """A text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = BEARER.sub(f"Bearer {HIDDEN}", text)
        return CREDENTIALS.sub(f"{HIDDEN}@", text)

    def value(self, value: Any) -> Any:
        """A JSON value whose texts hold no secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as part of an address, and in the header of basic authentication."""
    return secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()


def keys_of_environment() -> list[str]:
    """The values of all variables whose names look like those of keys."""
    return [value for name, value in os.environ.items() if KEY_VARIABLE.search(name)]


def without_credentials(url: str) -> tuple[str, Secret]:
    """An address without its credentials, and the credentials as ``name:password``.

    >>> without_credentials("https://me:pass@host:8/v1")
    ('https://host:8/v1', [key])
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)) if at else url, Secret(unquote(user))


def redacted_url(url: str) -> str:
    """An address without credentials, and without a query, which may hold a key.

    >>> redacted_url("https://me:pass@host/v1?key=1")
    'https://[key]@host/v1'
    """
    return CREDENTIALS.sub(f"{HIDDEN}@", url.split("?", 1)[0])
