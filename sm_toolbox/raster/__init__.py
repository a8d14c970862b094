"""Bands, grids, the block engine and raster writers: the floor that every topic stands on."""
