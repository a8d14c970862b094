"""Time series of rasters: composites, gap filling, statistics and trends."""
