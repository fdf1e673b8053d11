"""litellm, imported late and told to stay off the network until it is asked."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import warnings
from types import ModuleType

__all__ = ["is_installed", "load_litellm"]

_lock = threading.Lock()


def is_installed() -> bool:
    """Whether litellm can be imported; does not import it."""
    return importlib.util.find_spec("litellm") is not None


def load_litellm() -> ModuleType:
    """The package, made quiet; importing it takes 2 to 6 seconds."""
    with _lock:
        # Else it fetches its price list at import, and retries in a thread.
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        # Else it reads the .env file of whatever folder this runs in.
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        # pydantic says this of a type of litellm's, when a reply first needs it.
        warnings.filterwarnings("ignore", "Items? '.*' on TypedDict class", UserWarning)
        import litellm  # noqa: PLC0415  (late on purpose)
        from litellm.llms.custom_httpx import http_handler  # noqa: PLC0415  (likewise)

        from tuners.llm.model.bounded_http import install  # noqa: PLC0415  (loads httpx)

        install(http_handler)
        litellm.telemetry = False
        litellm.suppress_debug_info = True  # it prints advice on errors
        for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # Their debug logs show requests whole, headers included.
        for name in ("openai", "httpx", "httpcore", "aiohttp"):
            _quiet(logging.getLogger(name))
        return litellm


def _quiet(logger: logging.Logger) -> None:
    if logger.level < logging.WARNING:
        logger.setLevel(logging.WARNING)
