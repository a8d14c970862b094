"""The writer of GeoTIFFs."""

from __future__ import annotations

import os

import numpy as np

from sm_toolbox.errors import OutputError
from sm_toolbox.files import remove_quietly
from sm_toolbox.raster.affine import Window
from sm_toolbox.raster.choice import driver
from sm_toolbox.raster.driver import DriverError, GeotiffLayout
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.naming import split_name
from sm_toolbox.raster.outputs import RasterOutput, RasterWriter


class GeotiffWriter(RasterWriter):
    """A tiled, compressed Float32 GeoTIFF.

    Parameters
    ----------
    output : RasterOutput
    grid : Grid
    tile : (int, int)
        Rows and columns of the file's tiles, multiples of 16. Where the blocks that are written are not made of whole
        tiles, GDAL reads back and compresses again, which takes long and leaves holes in the file.
    """

    def __init__(self, output: RasterOutput, grid: Grid, tile: tuple[int, int]):
        super().__init__(output, grid, tile)
        compression = (
            {"compress": "zstd", "zstd_level": "1"} if driver().has_zstd() else {"compress": "deflate", "zlevel": "6"}
        )
        tags = output.all_tags
        layout = GeotiffLayout(
            grid.crs,
            grid.transform,
            grid.width,
            grid.height,
            list(output.bands),
            [tags.get(f"UNIT_{split_name(name)[0]}", "") for name in output.bands],
            tags,
            {
                "tiled": "yes",
                "blockysize": str(tile[0]),
                "blockxsize": str(tile[1]),
                "interleave": "band",
                "predictor": "2",
                "num_threads": "all_cpus",
                "bigtiff": "if_safer",
                **compression,
            },
        )
        try:
            self._file = driver().create_geotiff(self._temporary, layout)
        except DriverError as error:
            remove_quietly(self._temporary)
            raise OutputError(f"The output '{output.path}' cannot be created: {error}.") from error

    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        try:
            self._file.write(block, first + 1, window)
        except DriverError:
            return False
        return True

    def _close(self) -> None:
        self._file.close()

    def _is_complete(self) -> bool:
        """Say whether every tile lies within the file.

        GDAL writes late, on closing too, and a full disk there raises nothing.
        """
        try:
            ends = driver().tile_ends(self._temporary)
        except DriverError:
            return False
        return bool(ends.min() >= 0 and ends.max() <= os.path.getsize(self._temporary))
