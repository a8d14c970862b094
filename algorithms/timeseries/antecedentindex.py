"""Antecedent index."""

from __future__ import annotations

from sm_toolbox.timeseries.antecedent import ANTECEDENT_METHODS, DEFAULT_DAYS, DEFAULT_DECAY

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import add_scheduler, choice, engine_of, number, raster_output, rasters, text


class Algorithm(ToolboxAlgorithm):
    NAME = "antecedentindex"
    TITLE = "Antecedent index"
    GROUP = "timeseries"
    SUMMARY = "What the ground remembers: antecedent precipitation, and earlier values and sums of dated rasters."
    DETAILS = (
        "<p>The moisture of the soil follows the rain of the weeks before, not that of the day. "
        "<i>antecedent_precipitation</i>: what fell on the day, and DECAY times the index of the day before (Kohler "
        "and Linsley 1951). <i>lag</i>: the value so many days before. <i>sum</i>: what fell in so many days, of which "
        "the date is the last.</p><p>A gap makes a gap, not days without rain: a sum needs all days of its window, and "
        "the index begins anew after a gap and has no value until what fell in it no longer matters (SPIN_UP). Dates "
        "that cannot have a value are left out.</p><p>For training tables LAGS of 'Sample predictors at stations' "
        "makes lags and sums without rasters; 'Predict raster' then makes the same.</p>"
    )
    TAGS = ("API", "precipitation", "rain", "lag", "memory", "antecedent moisture", "IMERG", "CHIRPS", "ERA5")
    NEEDS = ("numba",)
    EXAMPLE = {"INPUT": ["rain_truth.tif"], "METHOD": ["antecedent_precipitation", "sum"], "DAYS": "7"}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated bands (variable@date) of one or several variables, such as daily rain in mm. On other grids than "
            "the first they are warped.",
        )
        self.add(
            choice("METHOD", "Indices", ANTECEDENT_METHODS, ["antecedent_precipitation"], multiple=True),
            "antecedent_precipitation makes bands variable_api@date, lag variable_lag7d@date, sum variable_sum7d@date.",
        )
        self.add(
            number("DECAY", "Share left after a day", DEFAULT_DECAY, minimum=0, maximum=1),
            "Of antecedent_precipitation: 0.85 where the soil dries fast to 0.98 for deep or cold soil.",
        )
        self.add(
            text("DAYS", "Days of lag and sum", DEFAULT_DAYS),
            "One or several numbers with commas between them. Sums need whole steps: of 8-day rasters 8, 16 or 24.",
        )
        self.add(
            number("SPIN_UP", "Days before the first index", None, minimum=0, optional=True),
            "After the beginning of a record and after gaps. Not set: until 5 % of what fell before would be left, 28 "
            "days where DECAY is 0.9. 0: as if nothing had fallen before.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Antecedent indices"), "GeoTIFF or NetCDF (.nc), in the unit of INPUT.")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.antecedent import AntecedentSettings, antecedent_indices

        output = self.outputs.path("OUTPUT")
        spin_up = parameters.get("SPIN_UP")
        settings = AntecedentSettings(
            tuple(self.parameterAsEnumStrings(parameters, "METHOD", context)),
            self.parameterAsDouble(parameters, "DECAY", context),
            self.parameterAsString(parameters, "DAYS", context),
            None if spin_up is None else self.parameterAsDouble(parameters, "SPIN_UP", context),
        )
        antecedent_indices(inputs, output, settings, engine_of(self, parameters, context, progress))
        return {"OUTPUT": output}
