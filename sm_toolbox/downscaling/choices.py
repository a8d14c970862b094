"""What can be chosen of a downscaling, in words; light, since dialogs list it."""

from __future__ import annotations

RESIDUALS = {
    "block_bilinear": "the product's cell − the mean of the map in it, bilinear between the centres of the cells",
    "simple_kriging": "the product's cell − the model for the cell's means, kriged with the mean 0",
    "ordinary_kriging": "the product's cell − the model for the cell's means, kriged with an unknown mean",
    "none": "no residual, the model alone",
}
"""How residuals (observed − predicted) reach fine cells, by the word of `residuals`."""

DOWNSCALE_SPLITS = {
    "block": "blocks of coarse cells",
    "station": "single coarse cells with all their dates",
    "time": "contiguous periods",
    "station_time": "coarse cells and periods at once",
    "month": "calendar months",
    "year": "whole years",
    "random": "single cells on single dates",
}
"""What the splits of `splits.SPLITS` leave out of coarse cells, by word; a station is a coarse cell there."""
