"""Predictors from Sentinel-1."""

from __future__ import annotations

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import add_scheduler, engine_of, integer, raster, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "sarpredictors"
    TITLE = "Sentinel-1 predictors"
    GROUP = "predictors"
    SUMMARY = (
        "Masks extremes of radar backscatter, averages it to a coarser grid, smooths its speckle and computes its "
        "statistics over time."
    )
    DETAILS = (
        "<p>Give backscatter in <b>dB</b> that is calibrated and terrain-corrected, as SNAP or Google Earth "
        "Engine deliver it. VV outside −25 to −5 dB and VH outside −30 to −10 dB is masked. Averaging to GRID "
        "and smoothing are done in linear power: the mean of decibels is not the mean of what the antenna "
        "received. Gaps stay gaps; beside them the valid cells share the weight.</p><p>The window is Gaussian "
        "with a standard deviation of a third of FILTER_SIZE: 1 cell for 3 × 3 (weights 0.204, 0.124, 0.075). "
        "Statistics are those of the decibels in the output; the standard deviation is that of a sample (n − 1) "
        "and needs two dates.</p><p>Every date is treated on its own, so that VV, VH and angle need not have the "
        "same dates. To compare dates take one orbit direction, or the angle as a further predictor.</p>"
    )
    TAGS = ("Sentinel-1", "SAR", "radar", "backscatter", "VV", "VH", "speckle", "filter")
    NEEDS = ("numba",)
    EXAMPLE = {"VV": ["sentinel1.tif"], "VH": ["sentinel1.tif"], "ANGLE": ["sentinel1.tif"], "GRID": "ndvi.tif"}

    def declare(self):
        self.add(
            rasters("VV", "VV"),
            "Backscatter of VV in dB, dated or static. Of files with several variables the band vv is taken.",
        )
        self.add(rasters("VH", "VH", optional=True), "Backscatter of VH in dB. Not set: VV alone.")
        self.add(
            rasters("ANGLE", "Incidence angle", optional=True),
            "Incidence angle; it is averaged to the grid of the output and not smoothed.",
        )
        self.add(
            raster("GRID", "Coarser grid", optional=True),
            "Raster to whose cells backscatter is averaged; 100 m suits soil moisture. Not set: the grid of the "
            "first VV band.",
        )
        self.add(
            integer("FILTER_SIZE", "Size of the window [cells]", 3, minimum=1),
            "Odd number of cells of the output; 1 does not smooth.",
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Sentinel-1 predictors"), "GeoTIFF with vv@date and vh@date in dB, and angle@date."
        )
        self.add(
            raster_output("STATISTICS", "Statistics over time", optional=True),
            "GeoTIFF with vv_min, vv_mean, vv_max, vv_sd and the same of VH, in dB.",
        )

    def resolve(self, parameters, context):
        layers = [raster_sources(self, parameters, key, context) for key in ("VV", "VH", "ANGLE")]
        return layers, raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.predictors.sar import sar_predictors

        (vv, vh, angle), grid = inputs
        outputs = {key: self.outputs.path(key) for key in ("OUTPUT", "STATISTICS")}
        sar_predictors(
            vv,
            vh,
            angle,
            outputs["OUTPUT"],
            grid=grid,
            filter_size=self.parameterAsInt(parameters, "FILTER_SIZE", context),
            statistics=outputs.get("STATISTICS"),
            engine=engine_of(self, parameters, context, progress),
        )
        return outputs
