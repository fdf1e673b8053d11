"""``mappertune study``: the experiments of the ICML 2025 paper, over any model or transcript."""

from __future__ import annotations

import argparse
import importlib

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Runs one experiment, each of which is a module."""
    module = importlib.import_module(f"studies.cli.experiments.{arguments.experiment}")
    code: int = module.run(arguments)
    return code
