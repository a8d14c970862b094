"""Trend over time."""

from __future__ import annotations

from sm_toolbox.timeseries.trend import TREND_METHODS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, raster_output, rasters, switch


class Algorithm(ToolboxAlgorithm):
    NAME = "temporaltrend"
    TITLE = "Trend over time"
    GROUP = "timeseries"
    SUMMARY = (
        "Computes how much each cell rises or falls per year, and how likely such a trend is by chance; if asked for "
        "each calendar month."
    )
    DETAILS = (
        "<p><i>least_squares</i> fits a straight line and tests its slope with Student's t. <i>theil_sen</i> "
        "takes the median of the slopes between all pairs of values, which single outliers do not move, and "
        "tests with Mann–Kendall (corrected for ties); it takes time with the square of the number of dates: "
        "hundreds are slow.</p><ul><li><b>slope</b>: change per year, from the true distances between the "
        "dates.</li><li><b>slope_per_step</b>: least squares over the numbers of the dates 1, 2, …, with either "
        "method. A cell with gaps keeps the numbers of its dates. By month, the step is one occurrence of the "
        "month.</li><li><b>p_value</b>: two-sided, 0 to 1. Values that follow each other "
        "closely count for fewer than they are, by the correlation of neighbours in what the trend leaves; with "
        "fewer than ten values that is rough.</li><li><b>slope_low</b>, <b>slope_high</b>: limits between which the "
        "slope lies in 95 of 100 cases.</li><li><b>n</b>: valid values. With fewer than three a cell has no "
        "slope.</li></ul><p>A season that is cut at either end bends the slope of all dates: take whole years, "
        "or BY_MONTH.</p>"
    )
    TAGS = ("time series", "regression", "slope", "Theil-Sen", "Mann-Kendall", "significance")
    NEEDS = ("numba", "scipy")
    EXAMPLE = {"INPUT": ["ndvi.tif"], "METHOD": "theil_sen"}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Bands of one variable at three or more dates (variable@date), single- or multi-band files. On other "
            "grids than the first they are warped.",
        )
        self.add(choice("METHOD", "Method", TREND_METHODS, "least_squares"), "least_squares or theil_sen (robust).")
        self.add(
            switch("BY_MONTH", "By calendar month", False),
            "A trend for each calendar month that has dates, in bands slope_01 … slope_12 and so on.",
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Trend"),
            "GeoTIFF with the bands slope, slope_per_step, p_value, n, slope_low, slope_high, or these for each month.",
        )

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.trend import temporal_trend

        output = self.outputs.path("OUTPUT")
        temporal_trend(
            inputs,
            output,
            method=self.parameterAsString(parameters, "METHOD", context),
            by_month=self.parameterAsBoolean(parameters, "BY_MONTH", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
