"""How many cells are resolved, and why the others are not; maps coarse enough for a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sm_toolbox.merging.collocation import FLAGS, LETTERS, Design
from sm_toolbox.merging.record import Estimated
from sm_toolbox.merging.settings import Estimation
from sm_toolbox.progress import Progress

if TYPE_CHECKING:
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.grid import Grid

_OVERVIEW = 256


class Overview:
    """Every so many cells of a grid, for the report.

    Parameters
    ----------
    names : sequence of str
    grid : Grid
    """

    def __init__(self, names: Sequence[str], grid: Grid):
        self._step = max(1, -(-max(grid.width, grid.height) // _OVERVIEW))
        self._places = {name: i for i, name in enumerate(names)}
        self._values = np.full(
            (len(names), -(-grid.height // self._step), -(-grid.width // self._step)), np.nan, np.float32
        )

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> np.ndarray:
        return self._values[self._places[name]]

    def keep(self, window: Window, first: str, block: np.ndarray) -> None:
        """Keep some cells of a block (names, rows, cols), whose first name is given and whose others follow it.

        Parameters
        ----------
        window : Window
        first : str
            Name of the first band of the block.
        block : ndarray (bands, rows, cols)
        """
        row, column = -window.row_off % self._step, -window.col_off % self._step
        part = block[:, row :: self._step, column :: self._step]
        top, left, place = (
            (window.row_off + row) // self._step,
            (window.col_off + column) // self._step,
            self._places[first],
        )
        self._values[place : place + len(part), top : top + part.shape[1], left : left + part.shape[2]] = part


@dataclass(frozen=True)
class Tally:
    """What became of the cells.

    Parameters
    ----------
    cells : int
    sampled : int
        Cells with a sample at all: neither sea nor outside a product.
    flags : ndarray of int64 (5,)
        Of the sampled cells, by flag.
    failed_pairs : ndarray of int64 (pairs,)
        Cells of flag 2 in which each pair is not significantly positively correlated.
    """

    cells: int
    sampled: int
    flags: np.ndarray
    failed_pairs: np.ndarray

    @property
    def resolved_percent(self) -> float:
        """Share of the cells with samples that are resolved."""
        return 100 * float(self.flags[0]) / self.sampled if self.sampled else 0.0


class Counter:
    """Counts cells, window by window.

    Parameters
    ----------
    estimation : Estimation
    """

    def __init__(self, estimation: Estimation):
        self._estimation = estimation
        self._cells = self._sampled = 0
        self._flags, self._pairs = np.zeros(5, np.int64), np.zeros(len(estimation.design.pairs), np.int64)

    def count(self, found: Estimated) -> None:
        """Add the cells of a window.

        Parameters
        ----------
        found : Estimated
        """
        sampled = found.samples > 0
        self._cells += sampled.size
        self._sampled += int(np.count_nonzero(sampled))
        self._flags += np.bincount(found.flags[sampled].astype(np.int64), minlength=5)
        failed = found.flags == 2
        for k in np.flatnonzero(~self._estimation.design.declared):
            r, p = found.found.correlations[k][failed], found.found.p_values[k][failed]
            self._pairs[k] += int(np.count_nonzero(~((r > 0) & (p < self._estimation.settings.alpha))))

    def tally(self) -> Tally:
        """Return the counts."""
        return Tally(self._cells, self._sampled, self._flags, self._pairs)


def report_tally(tally: Tally, design: Design, progress: Progress) -> None:
    """Log what share of the cells is resolved, and why the others are not.

    Parameters
    ----------
    tally : Tally
    design : Design
    progress : Progress
        Gets the lines.
    """
    progress.info(f"{tally.resolved_percent:.1f} % of the {tally.sampled:,} cells with common samples are resolved.")
    for flag, name in enumerate(FLAGS[1:], start=1):
        if tally.flags[flag]:
            progress.info(f"{100 * tally.flags[flag] / tally.sampled:.1f} % are not, because of {name} (flag {flag}).")
    if not tally.flags[0]:
        worst = FLAGS[int(np.argmax(tally.flags))]
        progress.warning(
            f"No cell is resolved, mostly because of {worst}. Look at the samples, and at whether the products "
            "see the same depth, unit and season."
        )
    for k in np.flatnonzero(tally.failed_pairs):
        share = 100 * tally.failed_pairs[k] / max(1, tally.flags[2])
        progress.info(
            f"Of the cells with flag 2, {share:.0f} % fail for the pair "
            f"{' and '.join(LETTERS[i] for i in design.pairs[k])}."
        )
