"""Statistics over time."""

from __future__ import annotations

from sm_toolbox.timeseries.statistics import STATISTICS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "temporalstatistics"
    TITLE = "Statistics over time"
    GROUP = "timeseries"
    SUMMARY = "Computes minimum, mean, maximum, standard deviation and number of valid values of each cell over time."
    DETAILS = (
        "<p>Dated bands of one or several variables, in any number of files and any order. Gaps do not count. The "
        "standard deviation is that of a sample (n − 1) and needs two values.</p>"
    )
    TAGS = ("time series", "mean", "minimum", "maximum", "standard deviation", "count")
    ARGUMENTS = {"names": "STATISTICS"}
    NEEDS = ("numba",)
    EXAMPLE = {"INPUT": ["product_a.tif"]}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated bands (variable@date), single- or multi-band files. On other grids than the first they are warped.",
        )
        self.add(
            choice("STATISTICS", "Which statistics", STATISTICS, list(STATISTICS), multiple=True),
            "min, mean, max, sd (of a sample) and count (of valid values).",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Statistics"), "GeoTIFF with a band variable_statistic for each.")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.statistics import temporal_statistics

        output = self.outputs.path("OUTPUT")
        temporal_statistics(
            inputs,
            self.parameterAsEnumStrings(parameters, "STATISTICS", context),
            output,
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
