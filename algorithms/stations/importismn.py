"""Import observations of the International Soil Moisture Network."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsField,
    QgsFields,
    QgsProcessing,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFile,
)

from sm_toolbox.stations.ismn.selection import AVERAGING_PERIODS, DEPTH_RULES, SENSOR_RULES

from ..base import ToolboxAlgorithm
from ..layers import DATE, DATETIME, INTEGER, NUMBER, TEXT, point_geometry, write_report
from ..parameters import choice, integer, layer_output, moment, number, number_outputs, report_output, text

_TIME_KINDS = {"none": DATETIME, "day": DATE, "month": TEXT}


class Algorithm(ToolboxAlgorithm):
    NAME = "importismn"
    TITLE = "Import ISMN archive"
    GROUP = "stations"
    SUMMARY = (
        "Reads soil moisture, or another variable, from an archive of the International Soil Moisture Network: by "
        "depth, quality flags and time, as it is or as daily or monthly means."
    )
    DETAILS = (
        "<p>Takes the archive as downloaded from ismn.earth, in the formats <i>Header+values</i> and <i>CEOP</i> "
        "(separate files), zipped or unpacked; zips are read in place, one station at a time. A file that is "
        "damaged or makes no sense is left out and named in the report. Times are UTC.</p><p>The output has one "
        "point per sensor and time (or day, or month): <i>network, station, station_id</i> (network/station: use "
        "it as station field where an archive has several networks), <i>sensor, depth_from, depth_to</i> (m), "
        "<i>time, value, unit, count</i> (values behind a mean), <i>lat, lon, elevation</i>, and from the "
        "archive's static variables <i>land_cover</i> and <i>land_cover_code</i> (ESA CCI, map nearest to the "
        "sensor's period), <i>climate</i> (Köppen–Geiger) and <i>sand, clay, silt, organic_carbon</i> at the "
        "sensor's depth (percent of weight).</p><p>Of several lines of one time the first is kept. Depths are "
        "those of ISMN's own reader: in CEOP those of the file's name, in header+values those of the header, "
        "where 2 inches are 0.05 m.</p><p>ISMN's data may not be passed on; cite the networks as its terms ask. "
        "Large archives make large layers: choose daily means where these will do.</p>"
    )
    TAGS = ("International Soil Moisture Network", "ISMN", "in situ", "CEOP", "stm", "stations", "import")
    NEEDS = ("pandas", "matplotlib")
    EXAMPLE = {"INPUT": "ismn.zip", "PERIOD": "day", "MIN_COUNT": 3}

    def declare(self):
        self.add(
            QgsProcessingParameterFile("INPUT", "Archive", fileFilter="ISMN archives (*.zip *.stm);;All files (*)"),
            "The zip as downloaded; or, typed or pasted, the folder into which it was unpacked, or a folder with "
            "several zips. One .stm file will do, too.",
        )
        self.add(
            text("VARIABLE", "Variable", "soil_moisture", optional=False),
            "ISMN's name or abbreviation: soil_moisture (sm), soil_temperature (ts), air_temperature (ta), "
            "precipitation (p), soil_suction (su), snow_depth (sd), snow_water_equivalent (sweq), "
            "surface_temperature (tsf). Where the archive has none, the message lists those that it has.",
        )
        self.add(
            number("DEPTH_FROM", "From depth [m]", 0),
            "Upper end of the depths asked for; heights above ground are negative (air temperature at 2 m: -2).",
        )
        self.add(
            number("DEPTH_TO", "To depth [m]", 0.05),
            "Lower end. Sensors at 2 inches are at 0.0508 m in CEOP files: 0.051 takes them. The log says where "
            "sensors just miss it.",
        )
        self.add(
            choice("DEPTH_RULE", "Depth rule", DEPTH_RULES, "encloses"),
            "encloses: the sensor's depths lie wholly within those asked for, ends included. overlaps: they have "
            "more than a point in common; a sensor at a single depth must lie within.",
        )
        self.add(
            text("FLAGS", "Accepted quality flags", "G"),
            "Comma list. An observation is taken where all its flags are in the list: with G only good ones, "
            "with G,D03 also those flagged for frozen soil (D03), but not those flagged D03,D05. Old archives "
            "have U (unchecked) in place of G. Empty: take all, whatever their flags. C01–C03: outside the "
            "possible range; D01–D03: frost; D04, D05: rise without rain; D06–D10: spikes, breaks, plateaus; G: "
            "good; M: missing; U: unchecked.",
        )
        self.add(
            QgsProcessingParameterDateTime("START", "Start", optional=True),
            "First moment (UTC). Not set: from the beginning.",
        )
        self.add(
            QgsProcessingParameterDateTime("END", "End", optional=True),
            "Last moment (UTC), itself included; 00:00 stands for the whole of that day. Not set: to the end.",
        )
        self.add(
            choice("PERIOD", "Means", AVERAGING_PERIODS, "none"),
            "none: observations as they are, time as date and time. day: means of the UTC day, time as date. "
            "month: means of the month, time as text (2018-06), which the other tools take as the whole month.",
        )
        self.add(
            integer("MIN_COUNT", "Smallest number of observations of a mean", 1, minimum=1),
            "Days or months with fewer observations are left out and counted; with hourly data 18 a day is a "
            "common choice.",
        )
        self.add(
            choice("SENSORS", "Sensors of one station and depth", SENSOR_RULES, "separate"),
            "separate: every sensor has rows of its own. mean: they are averaged at each time before the means "
            "of days and months.",
        )
        self.add(
            layer_output("OUTPUT", "Observations", geometry=QgsProcessing.SourceType.TypeVectorPoint),
            "Points in EPSG:4326, one for each sensor and time.",
        )
        self.add(
            report_output(self.TITLE),
            "HTML page: sensors taken with their periods and gaps, flags, land cover, and the files skipped with "
            "the reason.",
        )
        number_outputs(self, STATIONS="Stations", OBSERVATIONS="Observations taken")

    def resolve(self, parameters, context):
        return self.parameterAsString(parameters, "INPUT", context), *(
            moment(self, parameters, key, context) for key in ("START", "END")
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.stations.ismn.archive import import_archive
        from sm_toolbox.stations.ismn.imported import SOIL
        from sm_toolbox.stations.ismn.report import import_report
        from sm_toolbox.stations.ismn.selection import Selection, parse_flags

        path, start, end = inputs
        if end is not None and end.time() == end.min.time():
            end += timedelta(days=1, seconds=-1)
        words = {
            key.lower(): self.parameterAsString(parameters, key, context)
            for key in ("VARIABLE", "DEPTH_RULE", "PERIOD", "SENSORS")
        }
        flags = (
            ""
            if "FLAGS" in parameters and parameters["FLAGS"] is None
            else self.parameterAsString(parameters, "FLAGS", context)
        )
        selection = Selection(
            **words,
            depth_from=self.parameterAsDouble(parameters, "DEPTH_FROM", context),
            depth_to=self.parameterAsDouble(parameters, "DEPTH_TO", context),
            flags=parse_flags(flags),
            start=start,
            end=end,
            min_count=self.parameterAsInt(parameters, "MIN_COUNT", context),
        )
        result = import_archive(path, selection, progress.part(0, 0.6))

        fields = QgsFields()
        for name, kind in (
            *((name, TEXT) for name in ("network", "station", "station_id", "sensor")),
            *((name, NUMBER) for name in ("depth_from", "depth_to")),
            ("time", _TIME_KINDS[words["period"]]),
            ("value", NUMBER),
            ("unit", TEXT),
            ("count", INTEGER),
            *((name, NUMBER) for name in ("lat", "lon", "elevation")),
            ("land_cover", TEXT),
            ("land_cover_code", INTEGER),
            ("climate", TEXT),
            *((name, NUMBER) for name in SOIL),
        ):
            fields.append(QgsField(name, kind))
        rows = _rows(result.series, words["period"], progress.part(0.6, 1))
        crs = QgsCoordinateReferenceSystem("EPSG:4326")
        output = self.outputs.write_table("OUTPUT", fields, rows, _Points(result.series), crs, progress)
        report = write_report(self, lambda: import_report(result, words["variable"], progress))
        return {
            "OUTPUT": output,
            "REPORT": report,
            "STATIONS": len(result.stations),
            "OBSERVATIONS": result.observations,
        }


def _rows(all_series, period, progress):
    """Make the attributes of every row, one sensor after the other."""
    for done, series in enumerate(all_series):
        progress.set_fraction(done / len(all_series))
        place = series.place
        before = (series.network, series.station, series.station_id, series.sensor, place.top, place.bottom)
        after = (
            place.latitude,
            place.longitude,
            place.elevation,
            series.land_cover,
            series.land_cover_code,
            series.climate,
            *series.soil.values(),
        )
        times = series.times.astype(str) if period == "month" else series.times
        for time, value, count in zip(times.tolist(), series.values.tolist(), series.counts.tolist()):
            yield *before, time, value, series.unit or None, count, *after


class _Points(Sequence):
    """The points of all rows, one object for each sensor."""

    def __init__(self, all_series):
        self._ends = list(accumulate(len(series.times) for series in all_series))
        self._points = [point_geometry(series.place.longitude, series.place.latitude) for series in all_series]

    def __len__(self):
        return self._ends[-1]

    def __getitem__(self, row):
        return self._points[bisect_right(self._ends, row)]
