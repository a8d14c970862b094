"""Triple collocation."""

from __future__ import annotations

from ..base import ToolboxAlgorithm
from ..layers import write_report
from ..parameters import engine_of, number_outputs, raster_output, report_output
from .shared import PRODUCT_HELP, declare_collocation, resolve_products, settings_of


class Algorithm(ToolboxAlgorithm):
    NAME = "triplecollocation"
    TITLE = "Triple collocation"
    GROUP = "merging"
    SUMMARY = (
        "Estimates the random errors of three to five soil-moisture products in each cell, without knowing the truth."
    )
    DETAILS = (
        f"<p>{PRODUCT_HELP}</p><p>Bands, for each product a to e: <b>error</b> (standard deviation in its own "
        "units), <b>scaled_error</b> (in the space of a), <b>correlation</b> (with the truth), <b>snr</b> (dB), "
        "<b>sensitivity</b> (factor to the space of a), <b>weight</b>; then <b>merged_error</b>, correlation "
        "<b>r</b> and p-value <b>p</b> of each pair, <b>samples</b> and <b>flag</b>: 0 resolved, 1 too few "
        "common samples, 2 a pair not significantly positively correlated, 3 no positive error variance, 4 an "
        "impossible correlation. Where the flag is not 0 there are no numbers.</p><p>It holds where errors are "
        "independent of one another and of the truth; products that share forcing or retrieval look better than "
        "they are. With four or more products the report shows the error correlation of each pair. Gruber et al. "
        "2015 and 2016, McColl et al. 2014.</p>"
    )
    TAGS = (
        "triple collocation",
        "error",
        "SMAP",
        "ERA5-Land",
        "GLDAS",
        "ASCAT",
        "signal-to-noise",
        "validation",
        "uncertainty",
    )
    NEEDS = ("numba", "scipy", "matplotlib")
    EXAMPLE = {
        "PRODUCT_A": ["product_a.tif"],
        "PRODUCT_B": ["product_b.tif"],
        "PRODUCT_C": ["product_c.tif"],
        "MIN_SAMPLES": 50,
    }

    def declare(self):
        declare_collocation(self)
        self.add(
            raster_output("OUTPUT", "Errors"),
            "GeoTIFF or NetCDF with a band for each estimate, samples and flag; with BOOTSTRAP also …_low and …_high.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page with maps, box plots, why cells are not resolved, and what the numbers rest on.",
        )
        number_outputs(self, RESOLVED_PERCENT="Resolved cells [%]")

    def resolve(self, parameters, context):
        return resolve_products(self, parameters, context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.merging.triplecollocation import triple_collocation

        def report():
            from sm_toolbox.merging.report import collocation_report

            return collocation_report(result, progress)

        output = self.outputs.path("OUTPUT")
        result = triple_collocation(
            inputs,
            output,
            settings_of(self, parameters, context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {
            "OUTPUT": output,
            "REPORT": write_report(self, report),
            "RESOLVED_PERCENT": result.tally.resolved_percent,
        }
