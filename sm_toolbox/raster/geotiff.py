"""The writer of GeoTIFFs."""

from __future__ import annotations

import os
from functools import lru_cache

import numpy as np
import rasterio
from affine import Affine
from rasterio.io import MemoryFile
from rasterio.windows import Window

from sm_toolbox.errors import OutputError
from sm_toolbox.files import remove_quietly
from sm_toolbox.raster.grid import RASTER_ERRORS, Grid
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
        super().__init__(output, grid)
        compression = {"compress": "zstd", "zstd_level": 1} if _has_zstd() else {"compress": "deflate", "zlevel": 6}
        try:
            self._dataset = rasterio.open(
                self._temporary,
                "w",
                driver="GTiff",
                dtype="float32",
                nodata=np.nan,
                count=len(output.bands),
                width=grid.width,
                height=grid.height,
                crs=grid.crs,
                transform=grid.transform,
                tiled=True,
                blockysize=tile[0],
                blockxsize=tile[1],
                interleave="band",
                predictor=2,
                num_threads="all_cpus",
                bigtiff="if_safer",
                **compression,
            )
            for index, name in enumerate(output.bands, start=1):
                self._dataset.set_band_description(index, name)
            self._dataset.update_tags(**output.tags)
        except RASTER_ERRORS as error:
            remove_quietly(self._temporary)
            raise OutputError(f"The output '{output.path}' cannot be created: {error}.") from error

    def _write(self, block: np.ndarray, window: Window, first: int) -> bool:
        try:
            self._dataset.write(block, indexes=range(first + 1, first + len(block) + 1), window=window)
        except RASTER_ERRORS:
            return False
        return True

    def _close(self) -> None:
        if not self._dataset.closed:
            self._dataset.close()

    def _is_complete(self) -> bool:
        """Say whether every tile lies within the file.

        GDAL writes late, on closing too, and a full disk there raises nothing through rasterio.
        """
        size = os.path.getsize(self._temporary)
        try:
            with rasterio.open(self._temporary) as dataset:
                tile_rows, tile_columns = dataset.block_shapes[0]
                rows, columns = -(-dataset.height // tile_rows), -(-dataset.width // tile_columns)
                for band in range(1, dataset.count + 1):
                    for row in range(rows):
                        for column in range(columns):
                            offset = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
                            length = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
                            if offset is None or length is None or int(offset) + int(length) > size:
                                return False
        except RASTER_ERRORS:
            return False
        return True


@lru_cache
def _has_zstd() -> bool:
    """Say whether GDAL was built with ZSTD; a build without it refuses to create the file."""
    try:
        with (
            MemoryFile() as memory,
            memory.open(
                driver="GTiff", width=1, height=1, count=1, dtype="uint8", compress="zstd", transform=Affine.scale(2)
            ),
        ):
            return True
    except RASTER_ERRORS:
        return False
