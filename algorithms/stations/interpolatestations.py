"""Interpolate stations."""

from __future__ import annotations

from ..base import ToolboxAlgorithm
from ..layers import open_source, raster_source, raster_sources, read_table, table_rows, write_report
from ..parameters import (
    add_scheduler,
    add_time_gap,
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
    report_output,
    time_gap,
)

METHODS = ("ordinary_kriging", "simple_kriging", "idw")
VARIOGRAMS = ("spherical", "exponential", "gaussian", "matern")
OPTIONAL = {"nugget": "NUGGET", "sill": "SILL", "range": "RANGE", "mean": "MEAN"}


class Algorithm(ToolboxAlgorithm):
    NAME = "interpolatestations"
    TITLE = "Interpolate stations"
    GROUP = "stations"
    SUMMARY = (
        "Maps station values onto a grid for each date, by kriging or inverse distances, and says how well stations "
        "that are left out are predicted."
    )
    DETAILS = (
        "<p>Each distinct time becomes a band, named after the value field: <i>precipitation@2018-06-01</i>. "
        "Several rows of one place and time are averaged. Dates with fewer than three stations get no map by "
        "kriging (one more for each drift). Distances are metres on the ground: on geographic grids, and where "
        "the grid's projection distorts distances, through the globe.</p><p>The <b>variogram</b> is fitted to "
        "pairs of stations, pooled over all dates, and its sill scaled to the variance of each date's values; "
        "the report shows it. The <b>range</b> is the distance at which likeness has fallen to 5 % (spherical: "
        "ends), the <b>nugget</b> what even neighbours do not have in common. It counts as error of measurement: "
        "the map is smooth and meets the stations exactly only where the nugget is 0.</p><p>With <b>DRIFT</b> "
        "rasters the mean depends linearly on them (universal kriging, kriging with external drift).</p><p>The "
        "<b>leave-one-out</b> error tells whether the map is better than the plain mean of the stations. With "
        "scattered stations and short ranges it often is not.</p>"
    )
    TAGS = (
        "kriging",
        "variogram",
        "geostatistics",
        "interpolation",
        "IDW",
        "inverse distance",
        "precipitation",
        "rain gauges",
    )
    NEEDS = ("numba", "pandas", "scipy", "matplotlib")
    EXAMPLE = {
        "STATIONS": "stations.gpkg",
        "STATION": "station",
        "TIME": "time",
        "VALUE": "soil_moisture",
        "GRID": "ndvi.tif",
    }

    def declare(self):
        self.add(
            points("STATIONS", "Stations"),
            "Point layer with one feature per station, or per station and time, in any CRS.",
        )
        self.add(
            field("STATION", "Station field", "STATIONS", "station", optional=True),
            "Name or number of the station, for the report and for finding stations with several coordinates. "
            "Without it every place counts as a station.",
        )
        self.add(
            field("TIME", "Time field", "STATIONS", "time", optional=True),
            "Date, date and time, or ISO 8601 text (2018-06-01, 2018-06-01T14:30:00), in UTC: one map for each. "
            "Not set: one map of all values.",
        )
        self.add(
            field("VALUE", "Value field", "STATIONS", "soil_moisture"),
            "Number to interpolate. NULL: no value. Its name becomes that of the bands.",
        )
        self.add(raster("GRID", "Grid"), "Raster whose CRS, cells and extent the maps have; its values do not count.")
        self.add(
            choice("METHOD", "Method", METHODS, "ordinary_kriging"),
            "ordinary_kriging: with an unknown mean for each date. simple_kriging: with a known mean, to which "
            "the map returns away from stations. idw: inverse distance weighting, without a variogram.",
        )
        self.add(
            choice("VARIOGRAM", "Variogram model", VARIOGRAMS, "spherical"),
            "Shape of likeness over distance: spherical and exponential for rough fields, matern (ν = 3/2) for "
            "smoother ones, gaussian for very smooth ones. The report compares the four.",
        )
        self.add(
            rasters("DRIFT", "Drift", optional=True),
            "Rasters of variables that the values follow, such as elevation, for universal kriging; static, or "
            "dated and matched within MAX_TIME_GAP. Cells and stations without a value of all of them are left "
            "out.",
        )
        add_time_gap(
            self,
            "Largest gap in time of the drift [days]",
            "How many days a dated band of DRIFT may lie from a date",
            advanced=True,
        )
        self.add(
            number("NUGGET", "Nugget [share of the sill]", minimum=0, maximum=1, optional=True),
            "Known share (0 to 1) of the variance that even neighbours do not have in common; 0 makes the map "
            "meet the stations. Not set: fitted.",
            advanced=True,
        )
        self.add(
            number("SILL", "Sill [squared units of the values]", minimum=0, optional=True),
            "Known variance of values far apart, for all dates. Not set: fitted, and scaled to the variance of "
            "each date.",
            advanced=True,
        )
        self.add(
            number("RANGE", "Range [m]", minimum=0, optional=True),
            "Known distance at which likeness has fallen to 5 % (spherical: ends). Not set: fitted.",
            advanced=True,
        )
        self.add(
            number("MEAN", "Mean for simple kriging", optional=True),
            "Known mean for all dates. Not set: that of each date's values.",
            advanced=True,
        )
        self.add(
            number("POWER", "Power of the distance", 2, minimum=0.1, maximum=20),
            "For idw: weights are 1 / distance to this power; the larger, the more the nearest station counts.",
            advanced=True,
        )
        self.add(
            integer("NEIGHBOURS", "Nearest stations that count", 0, minimum=0),
            "How many stations count for a cell, up to 500. 0: all up to 500 stations, the 32 nearest where "
            "there are more.",
            advanced=True,
        )
        self.add(
            integer("MEMORY", "Memory [MB]", None, minimum=16, optional=True),
            "Memory for the blocks that are worked on at once. Not set: 256 MB. More is seldom faster.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(
            raster_output("OUTPUT", "Interpolated values"),
            "GeoTIFF with a band for each date, named after the value field: value@date.",
        )
        self.add(
            raster_output("VARIANCE", "Kriging variance", optional=True),
            "GeoTIFF with the bands value_variance@date: variance of the difference to what a station there "
            "would measure, in squared units. For kriging only.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page with the variogram, the errors at stations left out, by date and by station, and maps.",
        )
        number_outputs(
            self,
            RMSE="RMSE of stations left out",
            BIAS="Bias of stations left out",
            R="Correlation of stations left out",
            DATES="Dates with a map",
        )

    def resolve(self, parameters, context):
        return (
            open_source(self, parameters, "STATIONS", context),
            raster_source(self, parameters, "GRID", context),
            raster_sources(self, parameters, "DRIFT", context),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.columns import tell_implausible, to_numbers
        from sm_toolbox.stations.interpolation.maps import interpolate_stations
        from sm_toolbox.stations.interpolation.report import interpolation_report
        from sm_toolbox.stations.interpolation.result import InterpolationSettings, variable_name

        source, grid, drift = inputs
        table = read_table(source, progress, points=True)
        station, time, value = (
            self.parameterAsString(parameters, key, context) for key in ("STATION", "TIME", "VALUE")
        )
        optional = {
            name: self.parameterAsDouble(parameters, key, context) if parameters.get(key) is not None else None
            for name, key in OPTIONAL.items()
        }
        settings = InterpolationSettings(
            method=self.parameterAsString(parameters, "METHOD", context),
            variogram=self.parameterAsString(parameters, "VARIOGRAM", context),
            power=self.parameterAsDouble(parameters, "POWER", context),
            neighbours=self.parameterAsInt(parameters, "NEIGHBOURS", context),
            drift=drift,
            max_gap_days=time_gap(self, parameters, context),
            **optional,
        )
        output = self.outputs.path("OUTPUT")
        variance = self.outputs.path("VARIANCE")
        values = to_numbers(table.columns[value], value, table.name)
        tell_implausible(values, value, table.name, progress)
        result = interpolate_stations(
            table_rows(table, station, time),
            values,
            variable_name(value),
            grid,
            output,
            variance=variance,
            settings=settings,
            engine=engine_of(self, parameters, context, progress),
        )
        report = write_report(self, lambda: interpolation_report(result, progress))
        left_out = result.left_out
        return {
            "OUTPUT": output, "VARIANCE": variance, "REPORT": report,
            "RMSE": left_out.rmse, "BIAS": left_out.bias, "R": left_out.r, "DATES": len(result.observations.times),
        }  # fmt: skip
