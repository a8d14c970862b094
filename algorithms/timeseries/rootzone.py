"""Root-zone soil moisture."""

from __future__ import annotations

from sm_toolbox.timeseries.rootzone import ROOT_ZONE_UNITS

from ..base import ToolboxAlgorithm
from ..layers import open_source, raster_source, raster_sources, read_table, table_rows
from ..parameters import (
    add_scheduler,
    choice,
    engine_of,
    field,
    integer,
    number,
    number_outputs,
    points,
    raster,
    raster_output,
    rasters,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "rootzone"
    TITLE = "Root-zone soil moisture"
    GROUP = "timeseries"
    SUMMARY = "Estimates the moisture of the root zone from that of the surface, by the recursive exponential filter."
    DETAILS = (
        "<p>Water seeps down slowly: the root zone follows the surface with a delay. Each value is the mean of all "
        "observations up to the date, weighted by e<sup>−age / T</sup> (Wagner et al. 1999, recursive after Albergel "
        "et al. 2008). Dates may be irregular.</p><ul><li><b>soil_water_index@date</b>, 0 to 1, or "
        "<b>root_zone_soil_moisture@date</b> between the same limits as the surface's: WILTING_POINT and "
        "FIELD_CAPACITY, else each cell's own lowest and highest value.</li><li><b>quality@date</b>, 0 to 1: the "
        "weight of the observations up to the date, as a share of what one on every usual date would "
        "have.</li></ul><p>A cell has a value where MIN_OBSERVATIONS lie within the last three time constants. A date "
        "without an observation keeps the last value while that is no older than a time constant.</p><p>With STATIONS, "
        "deeper sensors such as those of 'Import ISMN stations' with DEPTH_FROM and DEPTH_TO, the time constant is the "
        "one with which the filtered surface follows them best.</p>"
    )
    TAGS = ("soil water index", "SWI", "exponential filter", "profile", "root zone", "ASCAT", "ISMN")
    ARGUMENTS = {"names": "STATION", "times": "TIME"}
    NEEDS = ("numba",)
    EXAMPLE = {"INPUT": ["product_a.tif"], "TIME_CONSTANT": 10}

    def declare(self):
        self.add(
            rasters("INPUT", "Surface soil moisture"),
            "Dated bands of one variable, in any unit where the limits are the cells' own.",
        )
        self.add(
            number("TIME_CONSTANT", "Time constant [days]", 20, minimum=0),
            "5 for a layer of some 0.2 m, 20 for the root zone, 60 for a metre; it also holds what evaporates.",
        )
        self.add(
            raster("TIME_CONSTANT_RASTER", "Time constants by cell [days]", optional=True),
            "In the place of TIME_CONSTANT; a cell without a positive one has no value.",
            advanced=True,
        )
        self.add(
            integer("MIN_OBSERVATIONS", "Fewest observations", 4, minimum=1),
            "Within the last three time constants.",
            advanced=True,
        )
        self.add(choice("UNITS", "Units", ROOT_ZONE_UNITS, "index"), "index: 0 to 1; moisture: as the surface.")
        self.add(
            raster("WILTING_POINT", "Wilting point", optional=True),
            "Surface moisture that is 0, in the unit of INPUT, such as that of 'Soil indices'. Not set: the lowest "
            "value of each cell.",
        )
        self.add(
            raster("FIELD_CAPACITY", "Field capacity", optional=True),
            "Surface moisture that is 1. Not set: the highest value of each cell.",
        )
        self.add(
            points("STATIONS", "Deeper observations", optional=True),
            "One feature per station and time, of one depth; the time constant is fitted to them.",
            advanced=True,
        )
        self.add(field("STATION", "Station field", "STATIONS", "station", optional=True), "Name of each station.", True)
        self.add(field("TIME", "Time field", "STATIONS", "time", optional=True), "Of each observation, UTC.", True)
        self.add(
            field("VALUE", "Observed value", "STATIONS", "soil_moisture", optional=True, numeric=True),
            "Moisture of the deeper layer, in any unit.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Root-zone soil moisture"), "GeoTIFF or NetCDF (.nc), with quality.")
        number_outputs(self, FITTED_DAYS="Time constant fitted to STATIONS [days]")

    def resolve(self, parameters, context):
        return (
            raster_sources(self, parameters, "INPUT", context),
            *(
                raster_source(self, parameters, key, context)
                for key in ("TIME_CONSTANT_RASTER", "WILTING_POINT", "FIELD_CAPACITY")
            ),
            None if parameters.get("STATIONS") is None else open_source(self, parameters, "STATIONS", context),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.rootzone import RootZoneInputs, RootZoneSettings, root_zone

        output = self.outputs.path("OUTPUT")
        surface, constants, wilting, capacity, stations = inputs
        fitted = None if stations is None else self._fit(surface, stations, parameters, context, progress.part(0, 0.3))
        settings = RootZoneSettings(
            self.parameterAsDouble(parameters, "TIME_CONSTANT", context) if fitted is None else fitted,
            self.parameterAsString(parameters, "UNITS", context),
            self.parameterAsInt(parameters, "MIN_OBSERVATIONS", context),
        )
        engine = engine_of(self, parameters, context, progress if fitted is None else progress.part(0.3, 1))
        root_zone(RootZoneInputs(surface, constants, wilting, capacity), output, settings, engine)
        return {"OUTPUT": output, **({} if fitted is None else {"FITTED_DAYS": fitted})}

    def _fit(self, surface, stations, parameters, context, progress):
        from sm_toolbox.columns import to_numbers
        from sm_toolbox.errors import InputError
        from sm_toolbox.stations.timeconstant import fit_time_constant

        station, time, value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE")
        )
        table = read_table(stations, progress, points=True)
        for key, name in (("TIME", time), ("VALUE", value)):
            if not name:
                raise InputError(f"{key} is needed to fit the time constant to '{table.name}'. Choose the field.")
        return fit_time_constant(
            table_rows(table, station, time), to_numbers(table.columns[value], value, table.name), surface, progress
        ).days
