"""Soil-moisture mapping from rasters and stations: the science, free of QGIS."""

__version__ = "0.1.0"
