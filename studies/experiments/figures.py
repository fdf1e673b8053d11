"""What the arms of a suite have reached after 10, 100, 1,000 ... trials, as tables and a page."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from studies.experiments.suite import Suite
from studies.experiments.tables import CaseResult

__all__ = ["Figures", "Table"]

FIRST_BUDGET = 10
KNOWN = ("default mapper", "template's defaults", "best known")


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        headings: Of its columns, the first of which holds words.
        rows: Its cells.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def markdown(self) -> str:
        """As Markdown."""
        marks = ["---", *["---:"] * (len(self.headings) - 1)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.headings, marks, *self.rows))


@dataclass(frozen=True)
class Figures:
    """The figures of a suite.

    Attributes:
        suite: The suite.
        cases: What its cases came to.
        arms: Names of the arms, in the order of the columns.
    """

    suite: Suite
    cases: Sequence[CaseResult]
    arms: Sequence[str]

    @property
    def budgets(self) -> list[int]:
        """10, 100, 1,000 and so on, as far as studies have so many trials; and the suite's."""
        most = max((s.trials for c in self.cases for a in c.arms.values() for s in a), default=0)
        found = [FIRST_BUDGET]
        while found[-1] * 10 <= most:
            found.append(found[-1] * 10)
        whole = self.suite.trials
        return sorted({*(each for each in found if each <= most), *([whole] * (whole <= most))})

    @property
    def starts(self) -> Table:
        """What the arms begin with, and how large the space is."""
        rows = []
        for each in self.cases:
            problem = each.case.case.problem()
            ratios = [each.ratio(each.known.get(name)) for name in self._known]
            sizes = [str(len(problem.distributions)), f"{problem.template.size:.0e}"]
            rows.append([self._name(each), *sizes, *map(_ratio_or_fails, ratios)])
        return Table("Where they start", ["case", "parameters", "points", *self._known], rows)

    @property
    def _known(self) -> list[str]:
        return [name for name in KNOWN if any(name in each.known for each in self.cases)]

    def means(self, trials: int) -> Table:
        """The mean of each arm on each case after so many trials, with the number of seeds."""
        arms = [arm for arm in self.arms if any(each.ratios(arm, trials) for each in self.cases)]
        columns = {arm: [each.ratios(arm, trials) for each in self.cases] for arm in arms}
        rows = [
            [self._name(each), *(_mean(columns[arm][number]) for arm in arms)]
            for number, each in enumerate(self.cases)
        ]
        for name, fold in (("mean of all", statistics.fmean), ("worst of all", min)):
            rows.append([f"**{name}**", *(_of_all(columns[arm], fold) for arm in arms)])
        title = f"Means after {trials:,} trials"
        return Table(title, ["case", *arms], rows)

    @property
    def valid(self) -> Table:
        """The share of the mappers that ran."""
        arms = [arm for arm in self.arms if any(each.arms.get(arm) for each in self.cases)]
        rows = [
            [self._name(each), *(_percent(each.valid_share(arm)) for arm in arms)]
            for each in self.cases
        ]
        return Table("Share of valid mappers", ["case", *arms], rows)

    def spread(self, arm: str, trials: int) -> Table:
        """How the seeds of an arm differ after so many trials."""
        rows = [[self._name(each), *_spread(each.ratios(arm, trials))] for each in self.cases]
        headings = ["case", "mean", "sd", "worst", "median", "best", "seeds"]
        return Table(f"{arm}, {trials:,} trials", headings, rows)

    @property
    def tables(self) -> Iterator[Table]:
        """All of them."""
        yield self.starts
        for trials in self.budgets:
            yield self.means(trials)
        yield self.valid
        for arm in self.arms:
            for trials in self.budgets:
                if any(each.ratios(arm, trials) for each in self.cases):
                    yield self.spread(arm, trials)

    @property
    def page(self) -> str:
        """The page, in Markdown; it shows the picture ``figures.svg`` beside it."""
        title = f"# The suite {self.suite.name}\n\n{self.suite.summary}\n\n![](figures.svg)"
        parts = [self.suite.page.strip() or title, "", self.extent]
        for table in self.tables:
            parts += ["", f"## {table.title}", "", table.markdown]
        return "\n".join(parts) + "\n"

    @property
    def extent(self) -> str:
        """How many studies and trials these are figures of, in words."""
        arms = [studies for each in self.cases for studies in each.arms.values()]
        lengths = Counter(study.trials for studies in arms for study in studies)
        said = ", ".join(
            f"{count:,} {'study' if count == 1 else 'studies'} of {trials:,} trials"
            for trials, count in sorted(lengths.items(), reverse=True)
        )
        seeds = sorted({len(studies) for studies in arms})
        many = str(*seeds) if len(seeds) == 1 else f"{min(seeds)} to {max(seeds)}"
        return (
            f"{said or 'No study'}; seeds of each arm on each case: {many}. Behind a mean stands "
            "the number of its seeds."
        )

    def _name(self, result: CaseResult) -> str:
        """The application, where that tells the cases apart."""
        applications = [each.case.case.application for each in self.cases]
        case = result.case.case
        return case.application if applications.count(case.application) == 1 else case.name


def _mean(ratios: Sequence[float]) -> str:
    return f"{statistics.fmean(ratios):.2f} ({len(ratios)})" if ratios else "-"


def _of_all(columns: Sequence[Sequence[float]], fold: Callable[[list[float]], float]) -> str:
    """A figure of all cases together; a dash where one has no study of that length."""
    if not all(columns):
        return "-"
    return f"**{fold([statistics.fmean(each) for each in columns]):.2f}**"


def _spread(ratios: Sequence[float]) -> list[str]:
    if not ratios:
        return [*["-"] * 5, "0"]
    deviation = statistics.stdev(ratios) if len(ratios) > 1 else math.nan
    numbers = (statistics.fmean(ratios), deviation, min(ratios), statistics.median(ratios))
    shown = ["-" if math.isnan(each) else f"{each:.2f}" for each in (*numbers, max(ratios))]
    return [*shown, str(len(ratios))]


def _ratio_or_fails(ratio: float | None) -> str:
    return "fails" if ratio is None else f"{ratio:.2f}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
