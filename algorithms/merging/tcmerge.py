"""Merge products by triple collocation."""

from __future__ import annotations

from sm_toolbox.merging.merge import FALLBACKS, REFERENCES, WINDOWS

from ..base import ToolboxAlgorithm
from ..layers import write_report
from ..parameters import choice, engine_of, number_outputs, raster_output, report_output
from .shared import PRODUCT_HELP, declare_collocation, resolve_products, settings_of


class Algorithm(ToolboxAlgorithm):
    NAME = "tcmerge"
    TITLE = "Merge products by triple collocation"
    GROUP = "merging"
    SUMMARY = (
        "Merges three to five soil-moisture products into one, each weighted in each cell by the error that triple "
        "collocation finds."
    )
    DETAILS = (
        f"<p>{PRODUCT_HELP}</p><p>Products are rescaled to the mean and signal of REFERENCE and combined with the "
        "weights of least squares (Yilmaz et al. 2012), on all dates that any product has: on dates that some "
        "products lack, the weights of the others are renormalised. Cells that are not resolved are treated as "
        "FALLBACK says; WEIGHTS tells where.</p><p>With ANOMALIES the weights come from anomalies, and the "
        "merged product has the seasonal cycle of the reference.</p>"
    )
    TAGS = ("triple collocation", "merge", "blend", "weights", "least squares", "SMAP", "ERA5-Land", "GLDAS", "ASCAT")
    NEEDS = ("numba", "scipy", "matplotlib")
    EXAMPLE = {
        "PRODUCT_A": ["product_a.tif"],
        "PRODUCT_B": ["product_b.tif"],
        "PRODUCT_C": ["product_c.tif"],
        "MIN_SAMPLES": 50,
        "REFERENCE": "a",
    }

    def declare(self):
        declare_collocation(self)
        self.add(
            choice("REFERENCE", "Reference", REFERENCES, "a"),
            "The product to whose mean, signal and units the others are rescaled.",
        )
        self.add(
            choice("FALLBACK", "Cells that are not resolved", FALLBACKS, "mean"),
            "mean: the mean of the products that are there, matched to the reference; best: the one most "
            "correlated with the others; nodata: no value.",
        )
        self.add(
            choice("WINDOW", "Weights of", WINDOWS, "all"),
            "all: one set of weights for the whole record; season or month: a set for each. Where a part of the "
            "year has too few samples, the weights of the whole record are used.",
        )
        self.add(
            raster_output("OUTPUT", "Merged product"),
            "GeoTIFF or NetCDF with soil_moisture@date on every date of any product, in the units of the reference.",
        )
        self.add(
            raster_output("WEIGHTS", "Weights", optional=True),
            "GeoTIFF with weight_a …, merged_error (expected standard deviation), samples and flag.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page with maps of weights and errors, and the merged product beside its parents and their "
            "plain mean.",
        )
        number_outputs(self, RESOLVED_PERCENT="Resolved cells [%]")

    def resolve(self, parameters, context):
        return resolve_products(self, parameters, context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.merging.merge import merge_products

        def report():
            from sm_toolbox.merging.report import merge_report

            return merge_report(result, progress)

        outputs = {key: self.outputs.path(key) for key in ("OUTPUT", "WEIGHTS")}
        result = merge_products(
            inputs,
            outputs["OUTPUT"],
            outputs.get("WEIGHTS"),
            reference=self.parameterAsString(parameters, "REFERENCE", context),
            fallback=self.parameterAsString(parameters, "FALLBACK", context),
            window=self.parameterAsString(parameters, "WINDOW", context),
            settings=settings_of(self, parameters, context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {**outputs, "REPORT": write_report(self, report), "RESOLVED_PERCENT": result.tally.resolved_percent}
