"""Fill gaps over time."""

from __future__ import annotations

from sm_toolbox.timeseries.gapfill import DEFAULT_ORDER, GAP_FILL_METHODS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, integer, number, raster_output, rasters, text


class Algorithm(ToolboxAlgorithm):
    NAME = "temporalgapfill"
    TITLE = "Fill gaps over time"
    GROUP = "timeseries"
    SUMMARY = (
        "Fills the gaps of dated rasters, as clouds leave them, from the values before and after, or interpolates "
        "them to other dates."
    )
    DETAILS = (
        "<p>Values that are there never change. <i>moving_average</i>: the mean within WINDOW days around the "
        "date. <i>linear</i>: the line between the values on both sides. <i>spline</i>: a smooth curve through "
        "all values that does not overshoot. <i>savitzky_golay</i>: a polynomial of degree ORDER fitted within "
        "WINDOW steps, after gaps are bridged by lines; a step is the median distance of the dates.</p><p>All "
        "but moving_average need values on both sides: before the first and after the last value gaps stay. The "
        "log says what share was missing before and is missing after. To know how well a gap is filled, hide "
        "values that are there and compare: over clouds the truth was hardly that of the clear days around "
        "them.</p>"
    )
    TAGS = (
        "time series",
        "interpolation",
        "gap filling",
        "clouds",
        "Savitzky-Golay",
        "moving average",
        "spline",
        "SMAP",
        "MODIS",
    )
    NEEDS = ("numba",)
    EXAMPLE = {"INPUT": ["lst_day.tif"], "METHOD": "savitzky_golay", "MAX_GAP": 32}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated bands (variable@date) of one or several variables; each variable is filled on its own. On "
            "other grids than the first they are warped.",
        )
        self.add(
            choice("METHOD", "Method", GAP_FILL_METHODS, "linear"), "moving_average, linear, spline or savitzky_golay."
        )
        self.add(
            number("WINDOW", "Window", None, minimum=0, optional=True),
            "For moving_average in days: 3 (if not set) is the day before, the day and the day after. For "
            "savitzky_golay an odd number of steps: 7 if not set.",
        )
        self.add(
            integer("ORDER", "Degree of the polynomial", DEFAULT_ORDER, minimum=0),
            "For savitzky_golay; less than WINDOW.",
            advanced=True,
        )
        self.add(
            number("MAX_GAP", "Longest gap [days]", None, minimum=0, optional=True),
            "Gaps stay where the values on both sides are further apart. Not set: gaps of any length between two "
            "values are filled.",
        )
        self.add(
            text("DATES", "Dates of the output"),
            "Such as the overpasses of a radar: 2018-06-01, 2018-06-13 or, for every sixth day, "
            "2018-06-01/2018-09-30/6. Not set: the dates of the input.",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Filled rasters"), "GeoTIFF or NetCDF (.nc) with the bands variable@date.")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.gapfill import fill_gaps

        output = self.outputs.path("OUTPUT")
        window, max_gap = (
            None if parameters.get(key) is None else self.parameterAsDouble(parameters, key, context)
            for key in ("WINDOW", "MAX_GAP")
        )
        fill_gaps(
            inputs,
            output,
            method=self.parameterAsString(parameters, "METHOD", context),
            window=window,
            order=self.parameterAsInt(parameters, "ORDER", context),
            max_gap=max_gap,
            dates=self.parameterAsString(parameters, "DATES", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
