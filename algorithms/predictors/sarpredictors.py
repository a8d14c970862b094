"""Predictors from Sentinel-1."""

from __future__ import annotations

from sm_toolbox.predictors.sar_geometry import PASSES

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import add_scheduler, choice, engine_of, integer, number, raster, raster_output, rasters


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
        "<p>WETNESS says where each cell stands between its own dry and wet reference (change detection, Wagner et al. "
        "1999): moisture, as long as vegetation and roughness stay.</p>"
    )
    TAGS = (
        "Sentinel-1",
        "SAR",
        "radar",
        "backscatter",
        "VV",
        "VH",
        "change detection",
        "incidence angle",
        "speckle",
        "filter",
    )
    ARGUMENTS = {"direction": "PASS"}
    NEEDS = ("numba",)
    EXAMPLE = {
        "VV": ["sentinel1.tif"],
        "VH": ["sentinel1.tif"],
        "ANGLE": ["sentinel1.tif"],
        "GRID": "ndvi.tif",
        "DEM": "dem.tif",
    }

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

        self.add(
            raster_output("WETNESS", "Relative wetness", optional=True),
            "GeoTIFF with relative_wetness@date: VV between each cell's dry (0) and wet reference (1), and "
            "soil_moisture@date where POROSITY is given. Needs eight dates of one orbit direction, and no station: "
            "what every trained map must beat.",
        )
        self.add(
            number("DRY_PERCENTILE", "Dry reference [percentile]", 5, minimum=0, maximum=100),
            "Of each cell's VV over time, for WETNESS.",
            advanced=True,
        )
        self.add(
            number("WET_PERCENTILE", "Wet reference [percentile]", 95, minimum=0, maximum=100),
            "Of each cell's VV over time, for WETNESS.",
            advanced=True,
        )
        self.add(
            raster("POROSITY", "Porosity", optional=True),
            "m³ m⁻³, such as that of 'Soil indices': WETNESS also holds wetness × porosity.",
            advanced=True,
        )
        self.add(
            raster_output("LOCAL_ANGLE", "Local incidence angle", optional=True),
            "GeoTIFF with local_incidence_angle@date, between the beam and the normal of the ground; above 90° is "
            "shadow. Needs ANGLE and DEM.",
        )
        self.add(
            raster("DEM", "Digital elevation model", optional=True),
            "Metres, for LOCAL_ANGLE; averaged to the cells of the output.",
            advanced=True,
        )
        self.add(
            choice("PASS", "Orbit direction", PASSES, "ascending"),
            "Of Sentinel-1, for LOCAL_ANGLE: where it stands follows from it and the latitude.",
            advanced=True,
        )

    def resolve(self, parameters, context):
        layers = [raster_sources(self, parameters, key, context) for key in ("VV", "VH", "ANGLE")]
        return layers, [raster_source(self, parameters, key, context) for key in ("GRID", "POROSITY", "DEM")]

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.errors import InputError
        from sm_toolbox.predictors.sar import sar_predictors
        from sm_toolbox.predictors.sar_geometry import local_incidence_angles
        from sm_toolbox.predictors.sar_wetness import WetnessSettings, relative_wetness
        from sm_toolbox.raster.opening import Source

        (vv, vh, angle), (grid, porosity, dem) = inputs
        outputs = {key: self.outputs.path(key) for key in ("OUTPUT", "STATISTICS", "WETNESS", "LOCAL_ANGLE")}
        engine = engine_of(self, parameters, context, progress)
        if outputs["LOCAL_ANGLE"] and not (angle and dem):
            raise InputError(f"LOCAL_ANGLE needs {'DEM' if angle else 'ANGLE'}. Give it, or skip LOCAL_ANGLE.")
        more = bool(outputs["WETNESS"]) + bool(outputs["LOCAL_ANGLE"])
        sar_predictors(
            vv,
            vh,
            angle,
            outputs["OUTPUT"],
            grid=grid,
            filter_size=self.parameterAsInt(parameters, "FILTER_SIZE", context),
            statistics=outputs.get("STATISTICS"),
            engine=engine.part(0, 1 - 0.2 * more),
        )
        made = [Source(outputs["OUTPUT"], "the Sentinel-1 predictors")]
        if outputs["WETNESS"]:
            percentiles = WetnessSettings(
                *(self.parameterAsDouble(parameters, key, context) for key in ("DRY_PERCENTILE", "WET_PERCENTILE"))
            )
            relative_wetness(made, outputs["WETNESS"], percentiles, porosity, engine.part(1 - 0.2 * more, 1))
        if outputs["LOCAL_ANGLE"]:
            direction = self.parameterAsString(parameters, "PASS", context)
            local_incidence_angles(made, dem, outputs["LOCAL_ANGLE"], direction, engine.part(0.8, 1))
        return outputs
