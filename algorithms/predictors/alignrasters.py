"""Align rasters to a grid."""

from __future__ import annotations

from sm_toolbox.raster.driver import RESAMPLINGS

from ..base import ToolboxAlgorithm
from ..layers import raster_source, raster_sources
from ..parameters import add_scheduler, choice, engine_of, raster, raster_output, rasters


class Algorithm(ToolboxAlgorithm):
    NAME = "alignrasters"
    TITLE = "Align rasters to a grid"
    GROUP = "predictors"
    SUMMARY = "Warps rasters of any CRS, cell size and extent to the grid of another, into one file."
    DETAILS = (
        "<p>Bands keep their variables and dates. Gaps are those of each band. Integer rasters become Float32, "
        "so that means keep their fractions; scale and offset of the files are applied. The other algorithms "
        "warp by themselves where grids differ; use this one to choose how, or to do it once.</p>"
    )
    TAGS = ("warp", "reproject", "resample", "grid", "snap")
    NEEDS = ()
    EXAMPLE = {"INPUT": ["soil.tif", "dem.tif"], "GRID": "ndvi.tif", "RESAMPLING": "average"}

    def declare(self):
        self.add(rasters("INPUT", "Rasters"), "Rasters to warp, single- or multi-band.")
        self.add(raster("GRID", "Grid"), "Raster whose CRS, cells and extent the output has.")
        self.add(
            choice("RESAMPLING", "Resampling", RESAMPLINGS, "nearest"),
            "nearest: the cell at the centre. bilinear, cubic: smooth between cells. average: mean of the finer "
            "cells within a coarser one. mode: the commonest of them, for classes. Bands named aspect are "
            "averaged as directions.",
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Aligned rasters"), "GeoTIFF with all bands.")

    def resolve(self, parameters, context):
        return raster_sources(self, parameters, "INPUT", context), raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.raster.align import align_rasters

        sources, grid = inputs
        output = self.outputs.path("OUTPUT")
        align_rasters(
            sources,
            grid,
            output,
            self.parameterAsString(parameters, "RESAMPLING", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
