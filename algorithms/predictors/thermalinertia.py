"""Apparent thermal inertia."""

from __future__ import annotations

from sm_toolbox.predictors.thermal import SOLAR_CORRECTIONS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, number, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "thermalinertia"
    TITLE = "Apparent thermal inertia"
    GROUP = "predictors"
    SUMMARY = (
        "Computes apparent thermal inertia from albedo and the temperature range between day and night: moist soil "
        "warms and cools less."
    )
    DETAILS = (
        "<p>ATI = C (1 − albedo) / (LST_DAY − LST_NIGHT) in K⁻¹. Dated layers are paired by day; the log says "
        "for each date what share of the cells has no value, because of clouds or too small a range. C makes "
        "days and latitudes alike: <i>none</i> is 1; <i>verstraeten</i> follows Verstraeten et al. 2006; "
        "<i>first_harmonic</i> follows Xue &amp; Cracknell 1995.</p>"
    )
    TAGS = ("ATI", "land surface temperature", "albedo", "MODIS", "thermal")
    EXAMPLE = {
        "ALBEDO": ["albedo.tif"],
        "LST_DAY": ["lst_day.tif"],
        "LST_NIGHT": ["lst_night.tif"],
        "SOLAR_CORRECTION": "verstraeten",
    }

    def declare(self):
        self.add(
            rasters("ALBEDO", "Albedo"),
            "Broadband albedo, 0 to 1; dated, or one static band for all days. Of several variables, as "
            "'Spectral indices' writes them, albedo is taken.",
        )
        self.add(
            rasters("LST_DAY", "Day temperature"),
            "Land surface temperature by day; of several variables lst_day. The output has the grid of the first band.",
        )
        self.add(
            rasters("LST_NIGHT", "Night temperature"),
            "Land surface temperature by night; of several variables lst_night. Its unit is that of the day "
            "temperature.",
        )
        self.add(
            number("LST_SCALE", "Kelvin per unit of the temperatures", None, minimum=1e-6, optional=True),
            "0.02 for raw MODIS LST, whose 0 then means no data. Not set: the layers are in kelvin or °C, or "
            "carry their scale themselves.",
        )
        self.add(
            choice("SOLAR_CORRECTION", "Correction for the sun", SOLAR_CORRECTIONS, "none"),
            "none, verstraeten or first_harmonic; the last two need dated layers.",
        )
        self.add(
            number("MIN_RANGE", "Smallest temperature range [K]", 1, minimum=0),
            "Cells whose temperature range is smaller have no value: it is cloud or noise.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Thermal inertia"), "GeoTIFF with ati@date and delta_lst@date for each day.")

    def resolve(self, parameters, context):
        return [raster_sources(self, parameters, key, context) for key in ("ALBEDO", "LST_DAY", "LST_NIGHT")]

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.predictors.thermal import thermal_inertia

        albedo, lst_day, lst_night = inputs
        output = self.outputs.path("OUTPUT")
        scale = (
            None if parameters.get("LST_SCALE") is None else self.parameterAsDouble(parameters, "LST_SCALE", context)
        )
        thermal_inertia(
            albedo,
            lst_day,
            lst_night,
            output,
            lst_scale=scale,
            correction=self.parameterAsString(parameters, "SOLAR_CORRECTION", context),
            min_range=self.parameterAsDouble(parameters, "MIN_RANGE", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
