"""Soil indices."""

from __future__ import annotations

from sm_toolbox.predictors.soil import TEXTURE_UNITS

from ..base import ToolboxAlgorithm
from ..layers import raster_source
from ..parameters import add_scheduler, choice, engine_of, raster, raster_output


class Algorithm(ToolboxAlgorithm):
    NAME = "soilindices"
    TITLE = "Soil indices"
    GROUP = "predictors"
    SUMMARY = "Computes sand, clay and silt in percent and the available water capacity."
    DETAILS = (
        "<p>awc = 40.7 − 0.38 sand − 0.63 clay, all in percent; where it comes out negative it is set to 0 and "
        "the cells are counted. Without a silt layer silt is 100 − sand − clay. Values that cannot be in the "
        "unit that is said are refused: SoilGrids delivers g/kg.</p>"
    )
    TAGS = ("texture", "sand", "clay", "silt", "SoilGrids", "available water capacity")
    EXAMPLE = {"SAND": "soil.tif", "CLAY": "soil.tif"}

    def declare(self):
        self.add(raster("SAND", "Sand"), "Raster with one band, or with a band named sand. The output has its grid.")
        self.add(raster("CLAY", "Clay"), "Raster with one band, or with a band named clay.")
        self.add(
            raster("SILT", "Silt", optional=True),
            "Raster with one band, or with a band named silt. Not set: what sand and clay leave.",
        )
        self.add(
            choice("UNITS", "Unit of the layers", TEXTURE_UNITS, "percent"),
            "percent, or g_per_kg as SoilGrids delivers it.",
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Soil indices"), "GeoTIFF with the bands sand, clay, silt and awc, in percent."
        )

    def resolve(self, parameters, context):
        return [raster_source(self, parameters, key, context) for key in ("SAND", "CLAY", "SILT")]

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.predictors.soil import soil_indices

        sand, clay, silt = inputs
        output = self.outputs.path("OUTPUT")
        soil_indices(
            sand,
            clay,
            output,
            silt=silt,
            units=self.parameterAsString(parameters, "UNITS", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
