"""Reports: studies as one page that needs nothing else, and their trials as a table."""

from __future__ import annotations

from studies.report.contents import ReportContents, read_contents
from studies.report.page import write_page
from studies.report.trial_rows import write_csv, write_parquet

__all__ = ["ReportContents", "read_contents", "write_csv", "write_page", "write_parquet"]
