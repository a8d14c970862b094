"""What products look like: names of bands, scales, quality bits, as data and as functions of text; nothing here reads a
file.
"""
