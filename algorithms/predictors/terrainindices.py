"""Terrain indices."""

from __future__ import annotations

from sm_toolbox.predictors.flow import FLOW_ROUTINGS
from sm_toolbox.predictors.terrain import TERRAIN_INDICES

from ..base import ToolboxAlgorithm
from ..layers import raster_source
from ..parameters import add_scheduler, choice, engine_of, number, raster, raster_output


class Algorithm(ToolboxAlgorithm):
    NAME = "terrainindices"
    TITLE = "Terrain indices"
    GROUP = "predictors"
    SUMMARY = (
        "Computes slope, aspect, curvatures, roughness and topographic wetness of a digital elevation model, if "
        "asked averaged to a coarser grid."
    )
    DETAILS = (
        "<ul>"
        + "".join(f"<li><b>{name}</b> [{index.unit}]: {index.meaning}</li>" for name, index in TERRAIN_INDICES.items())
        + "</ul><p>Distances are in metres whatever the unit of the CRS: a DEM in degrees is taken with the metres "
        "per degree of each row's latitude. Cells at the edge and beside gaps have no data. Catchments for "
        "<i>twi</i>: depressions are filled to their lowest outlet, flats drain by the shortest way to theirs, "
        "and edges and gaps take whatever flows to them, so that catchments cut by the edge are too small: give "
        "a DEM that reaches beyond the area of interest. More than about 35 million cells are worked on in strips, to "
        "the same results, in about 1 GB of memory and with 17 bytes of temporary files per cell.</p><p>As "
        "predictors take northness and eastness rather than the aspect: they have no jump at north.</p>"
    )
    TAGS = (
        "DEM",
        "slope",
        "aspect",
        "curvature",
        "roughness",
        "ruggedness",
        "topography",
        "TWI",
        "wetness index",
        "flow accumulation",
    )
    ARGUMENTS = {"names": "INDICES"}
    NEEDS = ("numba",)
    EXAMPLE = {"DEM": "dem.tif", "GRID": "ndvi.tif"}

    def declare(self):
        self.add(raster("DEM", "Elevation"), "Digital elevation model with one band, in any CRS.")
        self.add(
            choice("INDICES", "Indices", TERRAIN_INDICES, list(TERRAIN_INDICES), multiple=True),
            "Indices to compute; each becomes a band of its name.",
        )
        self.add(
            choice("FLOW_ROUTING", "Flow routing", FLOW_ROUTINGS, "mfd"),
            "For twi. mfd: to all lower neighbours by their slopes (Freeman 1991); dinf: to one or two along the "
            "steepest direction (Tarboton 1997); d8: to the steepest neighbour.",
        )
        self.add(
            raster("GRID", "Coarser grid", optional=True),
            "Raster to whose cells the indices are averaged, such as a 1 km product. The aspect is averaged as a "
            "vector. Not set: the cells of the DEM.",
        )
        self.add(
            number("Z_FACTOR", "Metres per unit of height", 1),
            "1 for heights in metres, 0.3048 for feet.",
            advanced=True,
        )
        add_scheduler(self)
        self.add(raster_output("OUTPUT", "Terrain indices"), "GeoTIFF with a band for each index.")

    def resolve(self, parameters, context):
        return raster_source(self, parameters, "DEM", context), raster_source(self, parameters, "GRID", context)

    def compute(self, inputs, parameters, context, progress):
        from sm_toolbox.predictors.terrain import terrain_indices

        dem, grid = inputs
        output = self.outputs.path("OUTPUT")
        names = self.parameterAsEnumStrings(parameters, "INDICES", context)
        terrain_indices(
            dem,
            names,
            output,
            flow_routing=self.parameterAsString(parameters, "FLOW_ROUTING", context),
            grid=grid,
            z_factor=self.parameterAsDouble(parameters, "Z_FACTOR", context),
            engine=engine_of(self, parameters, context, progress),
        )
        return {"OUTPUT": output}
