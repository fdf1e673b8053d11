"""Starts a server by hand: ``python -m tests.model_server --script circuit``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.model_server.scripted import NAME, ScriptedModel
from tests.model_server.server import ModelServer

SCRIPTS = {"circuit": ScriptedModel}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model_server", description=__doc__)
    parser.add_argument("--script", choices=SCRIPTS, default="circuit", help="who answers")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    options = parser.parse_args()
    with ModelServer(SCRIPTS[options.script](), options.port) as server:
        sys.stdout.write(f"{NAME} at {server.url}; Ctrl-C stops it\n")
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
