"""Composite over time."""

from __future__ import annotations

from sm_toolbox.timeseries.composite import COMPOSITE_PERIODS, COMPOSITE_STATISTICS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, integer, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "temporalcomposite"
    TITLE = "Composite over time"
    GROUP = "timeseries"
    SUMMARY = (
        "Combines dated rasters into one for each day, dekad, month, season or year, or over the days before each date."
    )
    DETAILS = (
        "<p>Gaps do not count. Bands are named after the period: ndvi@2018-06 for a month, the first day for a "
        "dekad, season (December to February is the winter) or year, the last day for a trailing window. "
        "<i>month_of_year</i> puts the same months of all years together: bands ndvi_01 to ndvi_12 without a date, the "
        "mean year. With PRODUCT_DAYS a composite of several days that straddles the boundary of a period counts in "
        "both; <i>weighted_mean</i> weighs it by its days inside each.</p>"
    )
    TAGS = ("time series", "monthly", "mean", "maximum value composite", "NDVI", "aggregate")
    NEEDS = ("numba",)
    EXAMPLE = {"INPUT": ["ndvi.tif"], "PERIOD": "month", "STATISTIC": "weighted_mean", "PRODUCT_DAYS": 8}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated bands (variable@date) of one or several variables. On other grids than the first they are warped.",
        )
        self.add(
            choice("PERIOD", "Period", COMPOSITE_PERIODS, "month"),
            "Calendar period, all dates together, a window of TRAILING_DAYS that ends with each date, or each month of "
            "all years.",
        )
        self.add(
            integer("TRAILING_DAYS", "Days of the trailing window", 7, minimum=1),
            "Length of the window of PERIOD trailing, with the date itself as its last day.",
        )
        self.add(
            choice("STATISTIC", "Statistic", COMPOSITE_STATISTICS, "mean"),
            "How the values of a period are combined. Maximum is usual for NDVI; weighted_mean weighs by the "
            "days of a product inside the period.",
        )
        self.add(
            integer("PRODUCT_DAYS", "Days of a product", 1, minimum=1),
            "Days that each date stands for, counted from it: 8 for MODIS 8-day composites.",
        )
        self.add(
            integer("MIN_COUNT", "Fewest valid values", 1, minimum=1),
            "Cells with fewer valid values in a period have none in the composite.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Composites"), "GeoTIFF with a band variable@period for each.")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.composite import temporal_composite

        output = self.outputs.path("OUTPUT")
        temporal_composite(
            inputs,
            output,
            period=self.parameterAsString(parameters, "PERIOD", context),
            statistic=self.parameterAsString(parameters, "STATISTIC", context),
            trailing_days=self.parameterAsInt(parameters, "TRAILING_DAYS", context),
            product_days=self.parameterAsInt(parameters, "PRODUCT_DAYS", context),
            min_count=self.parameterAsInt(parameters, "MIN_COUNT", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
