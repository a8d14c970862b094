"""Compare maps."""

from __future__ import annotations

from qgis.core import QgsCoordinateReferenceSystem, QgsField, QgsFields, QgsProcessing

from ..base import ToolboxAlgorithm
from ..layers import INTEGER, NUMBER, TEXT, raster_source, raster_sources, write_report
from ..parameters import (
    RESAMPLING_HELP,
    add_scheduler,
    add_time_gap,
    choice,
    engine_of,
    layer_output,
    number_outputs,
    raster,
    raster_output,
    rasters,
    report_output,
    time_gap,
)


class Algorithm(ToolboxAlgorithm):
    NAME = "comparemaps"
    TITLE = "Compare maps"
    GROUP = "validation"
    SUMMARY = (
        "Compares a soil-moisture product with another map, in space on each date, in time in each cell, and looks for "
        "borders of coarse cells."
    )
    DETAILS = (
        "<p>The reference is another product, a model, or a map of interpolated stations. Both are dated or both are "
        "not; dates are matched within MAX_TIME_GAP, one to one. The other map is brought to the grid of the coarser "
        "or the finer one (COMPARE_ON), over the ground that both share.</p><p><b>SPAEF</b> rates a map as a pattern, "
        "whatever its units: 1 − √((α−1)² + (β−1)² + (γ−1)²) with α the correlation, β the ratio of the coefficients "
        "of variation, γ the overlap of the histograms of z-scores (Demirel et al. 2018); 1 is perfect. <b>Edge "
        "ratio</b>: mean difference of neighbouring cells across the borders of the cells of BLOCK_GRID over that "
        "elsewhere, on the product's own grid; 1 is none to be seen.</p>"
    )
    TAGS = ("map comparison", "pattern", "SPAEF", "difference", "artefact", "resampling", "validation", "land cover")
    NEEDS = ("numba", "matplotlib")
    EXAMPLE = {
        "PRODUCT": ["truth.tif"],
        "REFERENCE": ["product_b.tif"],
        "COMPARE_ON": "finer",
        "BLOCK_GRID": "product_b.tif",
    }

    def declare(self):
        self.add(
            rasters("PRODUCT", "Product"),
            "Soil moisture, or another amount: one static band, or dated bands of one name, in one or more files.",
        )
        self.add(
            rasters("REFERENCE", "Reference"),
            "What it is compared with, in the same unit. Differences are PRODUCT − it.",
        )
        self.add(
            choice("COMPARE_ON", "Compare on the grid that is", ["coarser", "finer"], "coarser"),
            "coarser: what the two say of areas that both resolve. finer: every cell of the finer map counts.",
        )
        self.add(
            choice("RESAMPLING", "Resampling", ["auto", "nearest", "bilinear", "average", "mode"], "auto"),
            f"How the other map reaches that grid. {RESAMPLING_HELP}",
            advanced=True,
        )
        self.add(
            raster("MASK", "Mask", optional=True),
            "Cells where it is 0 or has no data take no part. Not set: all cells.",
        )
        self.add(
            raster("ZONES", "Zones", optional=True),
            "Raster of whole numbers, such as land cover or regions: TABLE and report rate each of them on its own.",
        )
        self.add(
            raster("BLOCK_GRID", "Coarse raster whose cells may show", optional=True),
            "For EDGE_RATIO: the coarse predictor or product that the map was made from. Its cells must be at least "
            "twice as large as the product's.",
        )
        add_time_gap(
            self,
            "Largest gap in time [days]",
            "How many days the dates of the two may lie apart",
            default="earlier or later. Not set: half the distance of the reference's dates, which the log says. 0: the "
            "same day.",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Differences"), "PRODUCT − REFERENCE as difference@date, in their unit.")
        self.add(
            raster_output("CELLS", "Agreement in time", optional=True),
            "For each cell r, bias and ubrmse over the dates, and their number n. Needs three common dates.",
        )
        self.add(
            layer_output(
                "TABLE", "Table of dates and zones", optional=True, geometry=QgsProcessing.SourceType.TypeVector
            ),
            "Per date and zone: n, r, r2, rmse, ubrmse, bias, slope, spaef. Rows of all dates have no date, rows of "
            "all cells no zone.",
        )
        self.add(report_output(self.TITLE), "HTML page with what agrees, where and when.")
        number_outputs(
            self,
            R="R (all pairs of cells)",
            RMSE="RMSE",
            UBRMSE="ubRMSE",
            BIAS="Bias (product − reference)",
            SPAEF="SPAEF (median of the dates)",
            EDGE_RATIO="Edge ratio of the product",
        )

    def resolve(self, parameters, context):
        from sm_toolbox.validation.mappairs import MapSettings

        return (
            raster_sources(self, parameters, "PRODUCT", context),
            raster_sources(self, parameters, "REFERENCE", context),
            MapSettings(
                self.parameterAsString(parameters, "COMPARE_ON", context),
                self.parameterAsString(parameters, "RESAMPLING", context),
                raster_source(self, parameters, "MASK", context),
                raster_source(self, parameters, "ZONES", context),
                raster_source(self, parameters, "BLOCK_GRID", context),
                time_gap(self, parameters, context),
            ),
        )

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.validation.mapreport import map_report
        from sm_toolbox.validation.maps import compare_maps

        product, reference, settings = inputs
        output, cells = self.outputs.path("OUTPUT"), self.outputs.path("CELLS")
        engine = engine_of(self, parameters, context, progress).part(0, 0.95)
        result = compare_maps(product, reference, output, settings, cells=cells, engine=engine)
        return {
            "OUTPUT": output,
            "CELLS": cells,
            "TABLE": self._write_table(parameters, result, progress),
            "REPORT": write_report(self, lambda: map_report(result, progress)),
            "R": result.number("r"),
            "RMSE": result.number("rmse"),
            "UBRMSE": result.number("ubrmse"),
            "BIAS": result.number("bias"),
            "SPAEF": result.number("spaef"),
            "EDGE_RATIO": result.edge_ratio,
        }

    def _write_table(self, parameters, result, progress):
        if parameters.get("TABLE") is None:
            return None
        names = [name for name in result.pooled if name != "n"]
        fields = QgsFields()
        for name, kind in (("date", TEXT), ("zone", INTEGER), ("n", INTEGER), *((name, NUMBER) for name in names)):
            fields.append(QgsField(name, kind))
        groups = [None, *result.zones]
        of_dates = [("", result.pooled, zone) for zone in range(len(groups))] + [
            (date, {name: values[i] for name, values in result.by_date.items()}, zone)
            for i, date in enumerate(result.pairs.names)
            for zone in range(len(groups))
            if date and result.by_date["n"][i, zone] > 0
        ]
        rows = (
            [date or None, groups[zone], int(values["n"][zone]), *(float(values[name][zone]) for name in names)]
            for date, values, zone in of_dates
        )
        return self.outputs.write_table("TABLE", fields, rows, (), QgsCoordinateReferenceSystem(), progress)
