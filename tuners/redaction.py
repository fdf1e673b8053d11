"""Keeping keys out of everything that is written or said."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

__all__ = [
    "Redactor",
    "Secret",
    "keys_of_environment",
    "process_redactor",
    "redacted_url",
    "secrets_in",
    "without_credentials",
]

HIDDEN = "[key]"
# A key that is shorter than this might be a word of the prompt.
SHORTEST = 8
BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{6,}")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")

# What is hidden besides in messages, in which no word of a mapper is lost by it: what follows the
# name of a scheme of authentication, or of a password; and what stands before a host.
_HEADER = re.compile(
    r"(?i)\b(basic|bearer|digest|negotiate)(\s+|:\s*)"
    r"(?!(?:auth\w*|realm|credentials?|tokens?|scheme|header|access|and|or|is|was)\b)[^\s,;'\"]+"
)
_NAMED = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|signature)"
    r"|pass|key|auth|sig)(\s*=\s*)(?:'[^']*'|\"[^\"]*\"|[^\s&;,'\"<>)\]]+)"
)
_QUERY = re.compile(
    r"(?i)(?<=[?&;#])((?:[\w-]*(?:password|passwd|pwd|secret|token|key|signature))|pass|auth|sig)"
    r"((=))([^&;]+)"
)
# Where the query of an address begins, or what is taken for one: a file's name may have a "#".
_QUERY_MARK = re.compile(r"(?i)\?|%3f|#(?=[^#]*=)")
_LOGIN = re.compile(
    r"(?<=:)//?[^\s'\"<>?#]+@(?=[\w\[.-])|(?<![\w/])[\w.+-]+:[^\s'\"<>/@]+@(?=[\w\[])"
)


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

    Args:
        secrets: Keys and passwords that are known.

    >>> Redactor(["sk-secret"]).text("wrong key sk-secret for http://me:pass@host/v1")
    'wrong key [key] for http://[key]@host/v1'
    >>> Redactor(()).message("cannot reach postgresql://me:p/w@host/db?password=x: Basic bWU6cA==")
    'cannot reach postgresql://[key]@host/db?password=[key] Basic [key]'
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = [each for each in secrets if each]
        found = {form for each in known for form in _forms(each) if len(form) >= SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)
        short = {form for each in known for form in _forms(each)} - found
        words = "|".join(map(re.escape, sorted(short, key=len, reverse=True)))
        self._short = re.compile(rf"(?<!\w)(?:{words})(?!\w)") if short else None

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def text(self, text: str) -> str:
        """A text of a model or for one, without secrets; short ones may be words of it."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = BEARER.sub(f"Bearer {HIDDEN}", text)
        return CREDENTIALS.sub(f"{HIDDEN}@", text)

    def message(self, text: str) -> str:
        """A message that is shown or logged, without secrets of any length and in any place."""
        text = _LOGIN.sub(_hidden_login, text)
        text = _HEADER.sub(rf"\1\2{HIDDEN}", self.text(text))
        text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
        return text if self._short is None else self._short.sub(HIDDEN, text)

    def value(self, value: Any) -> Any:
        """A JSON value whose texts hold no secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def _hidden_login(found: re.Match[str]) -> str:
    slashes = len(found[0]) - len(found[0].lstrip("/"))
    return f"{'/' * slashes}{HIDDEN}@"


def _forms(secret: str) -> tuple[str, ...]:
    """A secret as it is, as part of an address, and in the header of basic authentication."""
    return secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()


def keys_of_environment() -> list[str]:
    """The values of all variables whose names look like those of keys."""
    return [value for name, value in os.environ.items() if KEY_VARIABLE.search(name)]


@cache
def process_redactor() -> Redactor:
    """What takes the secrets of this process out: of its environment and its command line."""
    words = [*os.environ.values(), *sys.argv]
    words += [word.partition("=")[2] for word in sys.argv if word.startswith("--")]
    found = [secret for word in words for secret in secrets_in(word)]
    return Redactor([*keys_of_environment(), *found])


def secrets_in(url: str) -> list[str]:
    """The passwords that an address holds, be it misspelt; none of what is no address.

    >>> secrets_in("postgresl:/me:p%2Fw@host/db?sslpassword=other")
    ['p%2Fw', 'p/w', 'other']
    >>> secrets_in("x.db#token=one"), secrets_in("x.db%3Ftoken=one")
    (['one'], ['one'])
    """
    if "@" not in url and "=" not in url:
        return []
    found = [each[3] for form in (url, unquote(url)) for each in _QUERY.findall(form)]
    login, at, _ = url.partition("?")[0].rpartition("@")
    if at and ":" in login:
        found.insert(0, login.rpartition("/")[2].partition(":")[2] or login.rpartition(":")[2])
        whole = re.sub(r"^[\w+.-]*:/{0,2}", "", login).partition(":")[2]
        found.insert(0, whole)
    return list(dict.fromkeys(form for each in found if each for form in (each, unquote(each))))


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

    Whatever stands before the last ``@`` may be a password, whose characters need not be those
    that an address may have; where an address is misspelt as well. An ``@`` behind a question mark
    may end a password or be part of one: then all is hidden.

    >>> redacted_url("https://me:pass@host/v1?key=1")
    'https://[key]@host/v1'
    >>> redacted_url("postgresl:/me:p/w@rd@host/db"), redacted_url("studies/a.journal")
    ('postgresl:/[key]@host/db', 'studies/a.journal')
    >>> redacted_url("mysql://me:p?w@host/db"), redacted_url("sqlite:///x.db%3Fpassword=p")
    ('mysql://[key]', 'sqlite:///x.db')
    """
    url, query = [*_QUERY_MARK.split(url, maxsplit=1), ""][:2]
    scheme = re.match(r"[\w+.-]*:/{1,2}|[\w+.-]*//", url)
    if "@" in query:
        return f"{scheme[0] if scheme else ''}{HIDDEN}"
    login, at, host = url.rpartition("@")
    if not at or ":" not in login:
        return url
    return f"{scheme[0] if scheme else ''}{HIDDEN}@{host}"
