"""Archives of the International Soil Moisture Network."""
