"""Match product to reference."""

from __future__ import annotations

from sm_toolbox.timeseries.scaling import MATCHINGS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import (
    add_scheduler,
    choice,
    engine_of,
    integer,
    number_outputs,
    raster_output,
    rasters,
    switch,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "matchproduct"
    TITLE = "Match product to reference"
    GROUP = "timeseries"
    SUMMARY = "Brings a product to the climatology of another, cell by cell, so that the two can be mixed or compared."
    DETAILS = (
        "<p>Products of soil moisture differ in bias, spread and unit more than in what they say of wet and dry. The "
        "rule of each cell is found on the dates that both have, and holds for all dates of the product.</p><ul><li>"
        "<b>mean_sd</b>: the reference's mean and standard deviation.</li><li><b>linear_regression</b>: the line that "
        "predicts the reference; it damps what the two do not share.</li><li><b>cdf</b>: the reference's distribution, "
        "by straight lines between the percentiles 0, 5, 10, 30, 50, 70, 90, 95 and 100 (Reichle and Koster "
        "2004).</li></ul><p>A cell without MIN_SAMPLES common dates, in each month where BY_MONTH is set, has no "
        "value; the log says how many. A matched product has the errors of the reference's mean and spread: it is no "
        "longer independent of it, so that triple collocation must not see both.</p>"
    )
    TAGS = ("CDF matching", "bias correction", "rescaling", "scaling", "climatology")
    NEEDS = ("numba",)
    EXAMPLE = {"PRODUCT": ["product_b.tif"], "REFERENCE": ["product_a.tif"], "METHOD": "cdf"}

    def declare(self):
        self.add(
            rasters("PRODUCT", "Product"),
            "Dated bands of one variable. The output has its grid and its dates.",
        )
        self.add(
            rasters("REFERENCE", "Reference"),
            "Dated bands of one variable, in the unit that the output is to have, of the same kind of periods (days "
            "with days). On another grid it is warped.",
        )
        self.add(choice("METHOD", "Method", MATCHINGS, "cdf"), "mean_sd, linear_regression or cdf.")
        self.add(
            switch("BY_MONTH", "Each calendar month on its own", False),
            "Also takes the season of the reference; it needs years of data.",
        )
        self.add(
            integer("MIN_SAMPLES", "Fewest common dates", 30, minimum=3),
            "In a cell, and in each month where BY_MONTH is set.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Matched product"), "GeoTIFF or NetCDF (.nc), in the unit of REFERENCE.")
        number_outputs(self, SAMPLES="Common dates of a cell, on average")

    def resolve(self, parameters, context):
        return tuple(raster_sources(self, parameters, key, context) for key in ("PRODUCT", "REFERENCE"))

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.scaling import MatchingSettings, match_product

        output = self.outputs.path("OUTPUT")
        settings = MatchingSettings(
            self.parameterAsString(parameters, "METHOD", context),
            self.parameterAsBoolean(parameters, "BY_MONTH", context),
            self.parameterAsInt(parameters, "MIN_SAMPLES", context),
        )
        product, reference = inputs
        found = match_product(product, reference, output, settings, engine_of(self, parameters, context, progress))
        return {"OUTPUT": output, "SAMPLES": found.samples}
