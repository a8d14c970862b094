"""Anomaly over time."""

from __future__ import annotations

from sm_toolbox.timeseries.departure import DEPARTURES

from ..base import ToolboxAlgorithm
from ..layers import raster_sources
from ..parameters import (
    add_scheduler,
    choice,
    engine_of,
    integer,
    number,
    number_outputs,
    raster_output,
    rasters,
    switch,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "temporalanomaly"
    TITLE = "Anomaly over time"
    GROUP = "timeseries"
    SUMMARY = "Dry or not: every value against those that its cell had at the same time of the year in other years."
    DETAILS = (
        "<p>The climatology of a date is made of all values within half of WINDOW days of the same day in each "
        "year.</p><ul><li><b>variable_anomaly</b> (difference): value − mean, in the variable's unit.</li>"
        "<li><b>variable_z</b> (standardized): the same in standard deviations; none where the cell never changes.</li>"
        "<li><b>variable_percentile</b> (percentile): the share of the record below the value, 0 to 100, with half of "
        "what equals it. Its colours are the classes of the US Drought Monitor: below 30 D0 abnormally dry, below 20 "
        "D1, 10 D2, 5 D3, 2 D4 exceptional drought.</li></ul><p>A cell that has values in fewer than MIN_YEARS years "
        "at that time of the year has none; the log says what share that is. With n years no percentile below 100 / n "
        "can be told: D4 needs some 50 values in the window.</p><p>Products, maps of 'Predict raster' and "
        "downscaled ones can be rated; their REFERENCE should be made in the same way, since another product has "
        "another spread.</p>"
    )
    TAGS = ("drought", "climatology", "percentile", "z-score", "standardized anomaly", "dry spell", "Drought Monitor")
    NEEDS = ("numba",)
    EXAMPLE = {
        "INPUT": ["product_a.tif"],
        "REFERENCE": ["record_a.nc"],
        "METHOD": ["percentile"],
    }

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated bands (variable@date) of one or several variables. On other grids than the first they are warped.",
        )
        self.add(
            rasters("REFERENCE", "Longer record", optional=True),
            "Dated bands of the same variable, of the same kind of periods (days with days, months with months), on "
            "any grid. Not set: INPUT.",
        )
        self.add(
            choice("METHOD", "Measures", DEPARTURES, ["difference"], multiple=True),
            "difference, standardized, percentile.",
        )
        self.add(
            number("WINDOW", "Season around a day [days]", 31, minimum=0, maximum=366),
            "Values of other years count from half of it before to half of it after the same day. Of months 31 takes "
            "the same month.",
        )
        self.add(
            switch("LEAVE_YEAR_OUT", "Leave the date's own year out", True),
            "No: a value is part of what it is compared with, which makes extremes look milder.",
            advanced=True,
        )
        self.add(
            integer("MIN_YEARS", "Fewest years", 5, minimum=1),
            "Years in which a cell needs a value within the window.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Anomalies"), "GeoTIFF or NetCDF (.nc) with the bands of the measures.")
        number_outputs(self, DRY_PERCENT="Cells below the 20th percentile on the last date [%]")

    def resolve(self, parameters, context):
        return tuple(raster_sources(self, parameters, key, context) for key in ("INPUT", "REFERENCE"))

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.departure import DepartureSettings, temporal_departures

        output = self.outputs.path("OUTPUT")
        settings = DepartureSettings(
            tuple(self.parameterAsEnumStrings(parameters, "METHOD", context)),
            self.parameterAsDouble(parameters, "WINDOW", context),
            self.parameterAsBoolean(parameters, "LEAVE_YEAR_OUT", context),
            self.parameterAsInt(parameters, "MIN_YEARS", context),
        )
        source, reference = inputs
        found = temporal_departures(source, output, settings, reference, engine_of(self, parameters, context, progress))
        return {"OUTPUT": output, **({} if found.dry is None else {"DRY_PERCENT": 100 * found.dry})}
