"""Spectral indices."""

from __future__ import annotations

from sm_toolbox.predictors.reflectance import REFLECTANCE_TOLERANCE
from sm_toolbox.predictors.spectral_indices import SMALLEST_DENOMINATOR, SPECTRAL_INDICES
from sm_toolbox.sensors.optical import SENSORS

from ..base import ToolboxAlgorithm
from ..layers import raster_sources, write_report
from ..parameters import add_scheduler, choice, engine_of, number, raster_output, rasters, report_output, text


class Algorithm(ToolboxAlgorithm):
    NAME = "spectralindices"
    TITLE = "Spectral indices"
    GROUP = "predictors"
    SUMMARY = (
        "Computes vegetation and water indices, albedo and temperature–vegetation dryness from the bands of MODIS, "
        "Landsat or Sentinel-2."
    )
    DETAILS = (
        "<ul>"
        + "".join(f"<li><b>{name}</b>: {index.meaning}</li>" for name, index in SPECTRAL_INDICES.items())
        + "</ul><p>Bands are recognised by their descriptions or file names (red, B4, SR_B4, sur_refl_b01, "
        "…_B8A_20m) and stored integers brought to reflectances with the scale of the file or of the sensor's "
        "surface reflectance product; the log says what was assumed. For Sentinel-2 the offset of −0.1 is taken "
        "from processing baseline 04.00 on, which the name of the product or file or, without it, the date "
        "tells: data from which a provider has taken the offset already need OFFSET 0. Landsat Collection 1 "
        f"needs SCALE 0.0001.</p><p>Reflectances more than {REFLECTANCE_TOLERANCE} outside 0 to 1 are left out "
        "and counted; those less outside are set to 0 or 1. Where the denominator of a ratio is below "
        f"{SMALLEST_DENOMINATOR} there is no data. Files of several resolutions may be mixed. Clouds must be "
        "masked beforehand.</p><p>The edges of tvdi and vtci are lines fitted per date through the 99th and 1st "
        "percentiles of temperature in bins of NDVI, on a regular sample of cells; see the report. They need an "
        "area with both bare and green, dry and moist land, without large differences in height.</p>"
    )
    TAGS = (
        "NDVI",
        "SAVI",
        "NDWI",
        "NDII",
        "albedo",
        "TVDI",
        "VTCI",
        "MODIS",
        "Landsat",
        "Sentinel-2",
        "vegetation",
        "reflectance",
    )
    ARGUMENTS = {"names": "INDICES"}
    EXAMPLE = {
        "INPUT": ["reflectance.tif"],
        "SENSOR": "modis",
        "LST": ["lst_day.tif"],
        "INDICES": ["savi", "ndii6", "albedo", "tvdi"],
    }

    def declare(self):
        self.add(
            rasters("INPUT", "Reflectances"),
            "Bands of one sensor in one or more files, dated or not. The output has the grid of the first band "
            "that is used. On dates that lack a band an index is left out.",
        )
        self.add(
            choice("SENSOR", "Sensor", SENSORS, "modis"),
            "modis (MOD09, MYD09, MCD43A4), landsat_tm_etm (4, 5, 7), landsat_oli (8, 9) or sentinel2.",
        )
        self.add(
            text("BANDS", "Which band is which"),
            "Needed where bands carry no known names: red=1, nir=2 with the position among all bands of the "
            "input, counted over the files in their order, or red=name. With several dates the band at the "
            "position stands for those of its name (or number in the file) on all dates. Names: "
            f"{', '.join(dict.fromkeys(role for sensor in SENSORS.values() for role in sensor.bands))}.",
        )
        self.add(
            number("SCALE", "Reflectance per stored unit", None, minimum=1e-9, optional=True),
            "Such as 0.0001. Not set: as the file or the sensor has it; floating-point numbers are reflectances "
            "already.",
            advanced=True,
        )
        self.add(
            number("OFFSET", "Reflectance of a stored 0", None, optional=True),
            "Reflectance = SCALE × stored value + OFFSET. Not set: 0 where SCALE is set, else as the file or the "
            "sensor has it.",
            advanced=True,
        )
        self.add(
            rasters("LST", "Surface temperature", optional=True),
            "For tvdi and vtci: land surface temperature in kelvin or °C, one variable, paired with the "
            "reflectances by day.",
        )
        self.add(
            choice(
                "INDICES",
                "Indices",
                SPECTRAL_INDICES,
                ["ndvi", "savi", "ndwi_mcfeeters", "ndii6", "ndii7"],
                multiple=True,
            ),
            "Indices to compute; each becomes a band of its name, or one for each date.",
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Spectral indices"),
            "GeoTIFF with a band for each index and date, such as ndvi@2018-06-01.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page with what was assumed for each band, what was left out, and the edges of tvdi and vtci.",
        )

    def resolve(self, parameters, context):
        return [raster_sources(self, parameters, key, context) for key in ("INPUT", "LST")]

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.predictors.reflectance import ReflectanceScaling
        from sm_toolbox.predictors.spectral import spectral_indices

        def report():
            from sm_toolbox.predictors.spectral_report import spectral_report

            return spectral_report(result, sensor, progress)

        output = self.outputs.path("OUTPUT")
        sensor = self.parameterAsString(parameters, "SENSOR", context)
        scale, offset = (
            None if parameters.get(key) is None else self.parameterAsDouble(parameters, key, context)
            for key in ("SCALE", "OFFSET")
        )
        result = spectral_indices(
            inputs[0],
            sensor,
            self.parameterAsEnumStrings(parameters, "INDICES", context),
            output,
            bands=self.parameterAsString(parameters, "BANDS", context),
            scaling=ReflectanceScaling(scale, offset),
            lst=inputs[1],
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output, "REPORT": write_report(self, report)}
