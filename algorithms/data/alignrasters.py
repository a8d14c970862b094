"""Align rasters to a grid."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterCrs

from sm_toolbox.errors import InputError
from sm_toolbox.raster.driver import RESAMPLINGS

from ..base import ToolboxAlgorithm
from ..crs import core_crs
from ..layers import raster_source, raster_sources
from ..parameters import add_scheduler, choice, engine_of, number, raster, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "alignrasters"
    TITLE = "Align rasters to a grid"
    GROUP = "data"
    SUMMARY = "Warps rasters of any CRS, cell size and extent to the grid of another, into one file."
    DETAILS = (
        "<p>Bands keep their variables and dates. Gaps are those of each band. Integer rasters become Float32, "
        "so that means keep their fractions; scale and offset of the files are applied. The other algorithms "
        "warp by themselves where grids differ; use this one to choose how, or to do it once.</p>"
    )
    TAGS = ("warp", "reproject", "resample", "grid", "snap")
    EXAMPLE = {"INPUT": ["soil.tif", "dem.tif"], "GRID": "ndvi.tif", "RESAMPLING": "average"}

    def declare(self):
        self.add(rasters("INPUT", "Rasters"), "Rasters to warp, single- or multi-band.")
        self.add(
            raster("GRID", "Grid", optional=True),
            "Raster whose CRS, cells and extent the output has. Not set: CELL_SIZE, over the extent of all rasters.",
        )
        self.add(
            number("CELL_SIZE", "Cell size (units of the CRS)", minimum=0, optional=True),
            "Without GRID: width and height of a cell, in metres or degrees as the CRS has them.",
        )
        self.add(
            QgsProcessingParameterCrs("CRS", "Coordinate reference system", optional=True),
            "Without GRID; not set: that of the first raster.",
        )
        self.add(
            choice("RESAMPLING", "Resampling", RESAMPLINGS, "nearest"),
            "nearest: the cell at the centre. bilinear, cubic: smooth between cells. average: mean of the finer "
            "cells within a coarser one. mode: the commonest of them, for classes. Bands named aspect are "
            "averaged as directions.",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Aligned rasters"), "GeoTIFF with all bands.")

    def resolve(self, parameters, context):
        sources, grid = (
            raster_sources(self, parameters, "INPUT", context),
            raster_source(self, parameters, "GRID", context),
        )
        size = parameters.get("CELL_SIZE")
        if grid is None and size is None:
            raise InputError("Neither GRID nor CELL_SIZE is set. Choose a raster, or a cell size in units of the CRS.")
        if grid is not None and size is not None:
            raise InputError("GRID and CELL_SIZE are both set. Take one of them away.")
        crs = self.parameterAsCrs(parameters, "CRS", context) if parameters.get("CRS") else None
        if crs is not None and grid is not None:
            raise InputError("GRID and CRS are both set: the output has the CRS of GRID. Take CRS away.")
        return sources, grid, size and self.parameterAsDouble(parameters, "CELL_SIZE", context), crs

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.raster.align import align_rasters, grid_over

        sources, grid, size, crs = inputs
        if grid is None:
            grid = grid_over(sources, size or 0, core_crs(crs, "CRS") if crs is not None and crs.isValid() else None)
        output = self.outputs.path("OUTPUT")
        align_rasters(
            sources,
            grid,
            output,
            self.parameterAsString(parameters, "RESAMPLING", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
