"""Stations: sampling rasters at points and times."""
