"""What a study of an agent is about, as its folder keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.errors import StorageError, UsageError
from studies.files import make_folder, why, write_text
from studies.suite import Case

if TYPE_CHECKING:
    from tuners.llm.settings import ModelSettings

__all__ = ["CASE_FILE", "PROMPT", "AgentSettings", "refuse_others"]

CASE_FILE = "case.json"
PROMPT = (
    "strategy",
    "feedback",
    "candidates",
    "history",
    "examples",
    "decode",
    "max_prompt_tokens",
)
SCHEMA = 1


@dataclass(frozen=True)
class AgentSettings:
    """The case, the study and the prompt: everything that a request depends on.

    Attributes:
        case: What is tuned.
        trials: How many mappers are tried in all.
        seed: Equal seeds ask alike.
        start: What is tried first, before the agent has a say: as of ``tune --start``.
        prompt: The fields of `tuners.llm.settings.ModelSettings` that a prompt depends on.
    """

    case: Case
    trials: int = 10
    seed: int = 0
    start: str = "default"
    prompt: Mapping[str, Any] = field(default_factory=dict)

    def model_settings(self) -> ModelSettings:
        """How the agent is asked; the model is to be put in."""
        from tuners.llm.settings import ModelSettings

        return ModelSettings("agent", **self.prompt)

    def write(self, folder: Path) -> None:
        """Keeps them in a folder, which is made.

        Raises:
            StorageError: They cannot be written.
        """
        make_folder(folder)
        write_text(folder / CASE_FILE, json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2))

    @classmethod
    def read(cls, folder: Path) -> AgentSettings:
        """Those that a folder keeps.

        Raises:
            StorageError: They cannot be read, or are damaged.
        """
        path = folder / CASE_FILE
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            found = _of(kept)
        except OSError as error:
            raise StorageError(f"cannot read {path}: {why(error)}") from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StorageError(
                f"{path} is damaged ({error}): begin in another folder, by ask APP --output FOLDER"
            ) from None
        return found


def _of(kept: dict[str, Any]) -> AgentSettings:
    """The settings of a file; raises ValueError or TypeError where it holds something else."""
    if kept.pop("schema") != SCHEMA:
        raise ValueError("another version")
    found = AgentSettings(Case(**kept.pop("case")), **kept)
    _check_kinds(found, AgentSettings(found.case))
    _check_kinds(found.case, Case(""))
    found.model_settings()
    if (
        found.trials < 1
        or found.seed < 0
        or (found.case.nodes is not None and found.case.nodes < 1)
    ):
        raise ValueError("a number of it is out of range")
    return found


def _check_kinds(found: AgentSettings | Case, usual: AgentSettings | Case) -> None:
    """Raises ValueError where a setting is not what it is by default."""
    kinds = {"nodes": (int, type(None)), "template": (str, type(None))}
    for each in fields(usual):
        value, default = getattr(found, each.name), getattr(usual, each.name)
        if not isinstance(value, kinds.get(each.name, (type(default),))) or value is True:
            raise ValueError(f"{each.name} is {value!r:.40}")


def refuse_others(
    asked: AgentSettings, usual: AgentSettings, kept: AgentSettings, folder: Path
) -> None:
    """Refuses options that a study was not begun with; those left out are as they were.

    Args:
        asked: What the options say.
        usual: What they say where none is given.
        kept: What the study was begun with.
        folder: Where it lies.

    Raises:
        UsageError: They differ.
    """
    mine, none, theirs = _flat(asked), _flat(usual), _flat(kept)
    for name, value in mine.items():
        if value not in (none[name], theirs.get(name, value)):
            raise UsageError(
                f"the study in {folder} was begun with another {name.replace('_', '-')} "
                f"({theirs[name]!r:.60}, not {value!r:.60}): leave the option out, or name "
                "another --output folder"
            )


def _flat(settings: AgentSettings) -> dict[str, Any]:
    """All settings that requests depend on, by one name each."""
    values: dict[str, Any] = asdict(settings)
    del values["trials"]
    case, prompt = values.pop("case"), values.pop("prompt")
    return {**case, **prompt, **values}
