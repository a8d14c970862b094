"""Regional series."""

from __future__ import annotations

import numpy as np
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeatureRequest,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsProcessing,
    QgsProcessingParameterFeatureSource,
    QgsRectangle,
    QgsWkbTypes,
)

from sm_toolbox.errors import InputError

from ..base import ToolboxAlgorithm
from ..crs import qgis_crs, whole_crs
from ..layers import INTEGER, NUMBER, TEXT, open_source, raster_sources, write_report
from ..parameters import engine_of, field, layer_output, number_outputs, rasters, report_output, switch


class Algorithm(ToolboxAlgorithm):
    NAME = "regionalseries"
    TITLE = "Regional series"
    GROUP = "timeseries"
    SUMMARY = "Mean, spread and coverage of zones, date by date, with the mean year and coverage by latitude."
    DETAILS = (
        "<p>A cell belongs to a zone where its centre lies in it; zones may overlap, and without ZONES all cells are "
        "one. The table has a row for each date, zone and variable:</p><ul><li><b>mean</b>, <b>sd</b>: of the cells "
        "that have data, weighted by their area on the ground where the raster is in degrees.</li><li><b>coverage</b>: "
        "per cent of the zone's cells that have data.</li><li><b>cells</b>: of the zone.</li></ul><p>The report draws "
        "the series, the mean year, and the coverage by latitude and date: where and when a product or a map has gaps. "
        "A mean of few cells is of other places than one of all: see coverage first.</p>"
    )
    TAGS = ("zonal statistics", "time series", "Hovmöller", "coverage", "annual cycle", "basin")
    NEEDS = ("numba", "matplotlib")
    EXAMPLE = {"INPUT": ["product_a.tif"], "LATITUDE_BANDS": True}

    def declare(self):
        self.add(
            rasters("INPUT", "Rasters"),
            "Dated or static bands of one or several variables. On other grids than the first they are warped.",
        )
        self.add(
            QgsProcessingParameterFeatureSource(
                "ZONES", "Zones", [QgsProcessing.SourceType.TypeVectorPolygon], optional=True
            ),
            "Polygons such as basins or districts, in any CRS. Not set: all cells are one zone.",
        )
        self.add(
            field("ZONE", "Name field", "ZONES", optional=True),
            "Name of each zone; polygons of one name are one zone. Not set: the number of the feature.",
        )
        self.add(
            switch("LATITUDE_BANDS", "Also bands of latitude", False),
            "Rows of the table for each band of latitude, at most 40 of a round width.",
        )
        self.add(
            layer_output("OUTPUT", "Series", geometry=QgsProcessing.SourceType.TypeVector),
            "Table: date, zone, variable, mean, sd, coverage, cells. Static variables have no date.",
        )
        number_outputs(self, ROWS="Rows", COVERAGE_PERCENT="Cells of the first zone with data, on average [%]")
        self.add(report_output(self.TITLE), "HTML page with the series, the mean year and the coverage by latitude.")

    def resolve(self, parameters, context):
        return (
            raster_sources(self, parameters, "INPUT", context),
            None if parameters.get("ZONES") is None else open_source(self, parameters, "ZONES", context),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.timeseries.regional import regional_series
        from sm_toolbox.timeseries.regional_report import regional_report

        sources, zones = inputs
        polygons = [] if zones is None else self._polygons(zones, sources, parameters, context, progress)
        found = regional_series(sources, polygons, engine_of(self, parameters, context, progress).part(0, 0.9))
        report = write_report(self, lambda: regional_report(found, progress))
        with_bands = self.parameterAsBoolean(parameters, "LATITUDE_BANDS", context)
        fields = QgsFields()
        for name, kind in (
            ("date", TEXT), ("zone", TEXT), ("variable", TEXT), ("mean", NUMBER), ("sd", NUMBER), ("coverage", NUMBER),
            ("cells", INTEGER),
        ):  # fmt: skip
            fields.append(QgsField(name, kind))
        names = [*found.zones, *(found.bands if with_bands else ())]
        rows = [
            [
                None if time is None else str(time),
                name,
                item.variable,
                float(item.mean[date, zone]),
                float(item.sd[date, zone]),
                100 * float(item.coverage[date, zone]),
                int(found.cells[zone]),
            ]
            for item in found.variables
            for date, time in enumerate(item.times)
            for zone, name in enumerate(names)
        ]
        crs = QgsCoordinateReferenceSystem()
        return {
            "OUTPUT": self.outputs.write_table("OUTPUT", fields, rows, (), crs, progress),
            "REPORT": report,
            "ROWS": len(rows),
            "COVERAGE_PERCENT": 100 * float(found.variables[0].coverage[:, 0].mean()),
        }

    def _polygons(self, zones, sources, parameters, context, progress):
        """Return the zones by name, in the CRS of the first raster."""
        from sm_toolbox.raster.opening import grid_of
        from sm_toolbox.timeseries.zones import Polygons

        name_field = self.parameterAsString(parameters, "ZONE", context)
        if not zones.sourceCrs().isValid():
            raise InputError(
                f"The layer '{zones.sourceName()}' has no coordinate reference system. Set it with 'Layer > Set CRS'."
            )
        placing = _Placing(zones.sourceCrs(), grid_of(sources[0]), context.transformContext())
        parts: dict[str, list] = {}
        for number, feature in enumerate(zones.getFeatures(QgsFeatureRequest()), start=1):
            progress.check()
            geometry = feature.geometry()
            if geometry.isNull() or geometry.isEmpty():
                continue
            if geometry.type() != QgsWkbTypes.GeometryType.PolygonGeometry:
                raise InputError(
                    f"ZONES: feature {number} of '{zones.sourceName()}' is no polygon. Give polygons; closed lines "
                    "become such with 'Lines to polygons', points with 'Buffer'."
                )
            name = feature[name_field] if name_field else None
            own = parts.setdefault(str(name) if name not in (None, "") else str(number), [])
            own += placing.rings(geometry)
        if not parts:
            raise InputError(f"ZONES: the layer '{zones.sourceName()}' has no polygons.")
        return [Polygons(name, tuple(own)) for name, own in parts.items()]


class _Placing:
    """Brings polygons to the CRS of a grid, which has coordinates around it, but not for the whole earth."""

    def __init__(self, crs, grid, transforms):
        of_grid, crs = qgis_crs(grid.crs), whole_crs(crs)
        self._transform = QgsCoordinateTransform(crs, of_grid, transforms)
        back = QgsCoordinateTransform(of_grid, crs, transforms)
        self._around = back.transformBoundingBox(QgsRectangle(*grid.bounds))
        self._around.scale(1.5)

    def rings(self, geometry):
        """Return the rings of each part, without what lies far from the grid."""
        is_near = not self._around.isFinite() or self._around.contains(geometry.boundingBox())
        moved = QgsGeometry(geometry) if is_near else geometry.clipped(self._around)
        if moved.isEmpty():
            return []
        moved.transform(self._transform)
        return _parts(moved)


def _parts(geometry):
    """Return the rings of each part of a polygon as arrays of corners."""
    if geometry.type() != QgsWkbTypes.GeometryType.PolygonGeometry:
        return []
    parts = geometry.asMultiPolygon() if geometry.isMultipart() else [geometry.asPolygon()]
    return [tuple(np.array([(point.x(), point.y()) for point in ring], float) for ring in part) for part in parts]
