"""Tracking in MLflow: an experiment per case, a run per study, a parent run per comparison.

``tracker.py`` says where runs are written, and keeps failures and slow servers away from studies;
``study_run.py`` and ``comparison_run.py`` say what a run holds. Runs of the output folder's own
database are written as rows (``rows.py``), because MLflow takes seconds to load; all others by
MLflow's client (``client_runs.py``). ``catch_up.py`` tracks what lies finished in a folder.
"""

from __future__ import annotations

from studies.tracking.tracker import Tracker, embedded_uri

__all__ = ["Tracker", "embedded_uri"]
