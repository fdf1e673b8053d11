from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from studies.cli import main

# A shell that runs the tests in the background has told them to ignore Ctrl-C.
SCRIPT = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from studies.cli import main; sys.exit(main(sys.argv[1:]))"
)

# A space of the stencil that is small, and of which most is valid.
SPACE = """\
Task stencil ${proc.stencil: GPU | CPU};
Task increment ${proc.increment: GPU | CPU};
Task * GPU,CPU;
Region * * GPU FBMEM;
Region * * CPU SYSMEM;
Region stencil pxm_in GPU ${mem.pxm: FBMEM | ZCMEM};
Region stencil pxp_in GPU ${mem.pxp: FBMEM | ZCMEM};
Region stencil pym_in GPU ${mem.pym: FBMEM | ZCMEM};
Region stencil pyp_in GPU ${mem.pyp: FBMEM | ZCMEM};
Region increment pxm_out GPU ${mem.pxm_out: FBMEM | ZCMEM};
Region increment pym_out GPU ${mem.pym_out: FBMEM | ZCMEM};
Layout * * * SOA ${order: F_order | C_order};
"""


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs the command line in this process."""

    def run(*words: object) -> Answer:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return run


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.template"
    path.write_text(SPACE)
    return path


@pytest.fixture
def tune(ask, tmp_path, space):
    """Tunes the stencil in the small space, untracked."""

    def run(*words: object) -> Answer:
        common = ["--template", space, "--output", tmp_path / "runs", "--no-mlflow"]
        return ask("tune", "stencil", *common, *words)

    return run
