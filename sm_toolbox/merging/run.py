"""A run over products, window by window: what triple collocation and merging have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.merging.collocation import LETTERS, design
from sm_toolbox.merging.record import Estimated, Record
from sm_toolbox.merging.settings import CollocationSettings, Estimation
from sm_toolbox.merging.tally import Counter, Tally, report_tally
from sm_toolbox.raster.request import Engine
from sm_toolbox.timeseries.anomaly import warn_of_short_climatology

if TYPE_CHECKING:
    from sm_toolbox.merging.products import Products
    from sm_toolbox.raster.affine import Window
    from sm_toolbox.raster.grid import Grid
    from sm_toolbox.raster.opening import Source
    from sm_toolbox.raster.outputs import RasterOutput, RasterWriter
    from sm_toolbox.raster.streaming import StackReader, Stream, Work


class Done(Protocol):
    """What comes of a window."""

    @property
    def estimated(self) -> Estimated:
        """What is known of its cells."""
        ...


AnyDone = TypeVar("AnyDone", bound=Done)


@dataclass(frozen=True)
class Run:
    """Products that are checked, and how and with what their errors are estimated.

    Parameters
    ----------
    products : Products
    estimation : Estimation
    engine : Engine
    """

    products: Products
    estimation: Estimation
    engine: Engine

    @classmethod
    def of(
        cls, sources: Sequence[Sequence[Source]], settings: CollocationSettings, reference: int, engine: Engine
    ) -> Run:
        """Check settings and read what the products are; on all dates that any of them has.

        Parameters
        ----------
        sources : sequence of sequence of Source
            Those of each product.
        settings : CollocationSettings
        reference : int
            The product in whose space scaled errors are.
        engine : Engine

        Returns
        -------
        Run

        Raises
        ------
        InputError
            As `read_products` and `design`; where a setting is impossible.
        """
        from sm_toolbox.merging.products import read_products

        plan = design(product_count(sources), settings.correlated)
        settings.check()
        products = read_products(
            sources,
            max_gap_days=settings.max_gap_days,
            reference=reference,
            min_samples=settings.min_samples,
            progress=engine.progress,
        )
        return cls(products, Estimation(settings, plan, reference), engine)

    @property
    def grid(self) -> Grid:
        """The grid of the first product, on which all is done."""
        return self.products.grid

    def on_common_dates(self) -> Run:
        """Return the run over the dates that all products have."""
        return replace(self, products=self.products.at(self.products.common))

    def record(self, parts: np.ndarray | None = None) -> Record:
        """Return the record, its sums kept apart by the part of the year of each month (12,) where these are given.

        Parameters
        ----------
        parts : ndarray of int64 (12,), optional
            The part of the year of each month; by default there is one.

        Returns
        -------
        Record
        """
        return Record(self.products, self.estimation, np.zeros(12, np.int64) if parts is None else parts)

    def stream(self, fixed: float, per_date: float) -> tuple[StackReader, Stream]:
        """Return a reader of all bands, and how the grid and the record are cut.

        Parameters
        ----------
        fixed, per_date : float
            Bytes of a cell, as for `plan_stream`.

        Returns
        -------
        reader : StackReader
        stream : Stream
        """
        from sm_toolbox.raster import streaming

        progress, settings = self.engine.progress, self.estimation.settings
        if settings.anomalies == "climatology":
            warn_of_short_climatology(self.products.times, progress)
        reader = streaming.StackReader(self.products.bands, self.grid)
        for line in reader.warnings():
            progress.info(line)
        return reader, streaming.plan_stream(
            reader, len(self.products.times), fixed, per_date, whole=settings.replicates > 0, engine=self.engine
        )

    def tags(self) -> dict[str, str]:
        """Return metadata that tell what an output was made of."""
        products = self.products
        named = {f"PRODUCT_{LETTERS[i].upper()}": label for i, label in enumerate(products.labels)}
        return {
            **named,
            "DATES": f"{products.times[0]} to {products.times[-1]}",
            "COMMON_DATES": str(int(np.count_nonzero(products.common))),
        }

    def write(
        self,
        reader: StackReader,
        stream: Stream,
        work: Work,
        outputs: Sequence[RasterOutput],
        keep: Callable[[Sequence[RasterWriter], Window, AnyDone], None],
    ) -> Tally:
        """Do the work of all windows and write the outputs.

        Parameters
        ----------
        reader : StackReader
        stream : Stream
        work : callable
            As for `streaming.stream_in_order`; what it emits goes into the first output. It returns a `Done`.
        outputs : sequence of RasterOutput
        keep : callable
            `keep(writers, window, done)` is called for each window in order.

        Returns
        -------
        Tally

        Raises
        ------
        InputError
            Where no cell has a sample.
        OutputError, Cancelled
            As `run_blocks`.
        """
        from sm_toolbox.raster import streaming
        from sm_toolbox.raster.writing import whole_outputs

        counter = Counter(self.estimation)
        with whole_outputs(outputs, self.grid, stream.plan) as writers:

            def write(window: Window, first: int, block: np.ndarray) -> None:
                writers[0].write(block, window, first)

            done: Any
            for window, done in streaming.stream_in_order(reader, work, stream.plan, self.engine, write=write):
                counter.count(done.estimated)
                keep(writers, window, done)
            tally = counter.tally()
            if not tally.sampled:
                raise InputError(
                    f"No cell has data of all products on the same date: {', '.join(self.products.labels)}. Check "
                    "that the layers overlap, that they are not empty, and that their nodata values are right (Layer "
                    "properties > Information shows extent, minimum and maximum)."
                )
        report_tally(tally, self.estimation.design, self.engine.progress)
        return tally


def product_count(sources: Sequence[Sequence[Source]]) -> int:
    """Return the number of products, up to the last that holds a raster; three where there are fewer.

    Parameters
    ----------
    sources : sequence of sequence of Source
        Those of each product.

    Returns
    -------
    int
    """
    return max([3, *(i + 1 for i, own in enumerate(sources) if own)])
