"""What products look like: names of bands, scales, quality bits, as data and functions of text; no reading."""
