"""Streams of random numbers, one for each part of the scene: one that comes or changes leaves the others."""

from __future__ import annotations

import numpy as np

FIRST_PARTS = 9
_PARTS = {
    name: 100 + number
    for number, name in enumerate(
        ("years", "networks", "field", "gauges", "land_cover", "clouds", "soilgrids", "record", "smap", "gldas")
    )
}


def first_streams(seed: int) -> list[np.random.Generator]:
    """Return the streams of the parts that the scene has had from the beginning.

    Parameters
    ----------
    seed : int

    Returns
    -------
    list of numpy.random.Generator
        Soil, weather, vegetation, composites, coarse products, stations, reflectances, backscatter, archive.
    """
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(FIRST_PARTS)]


def own_stream(seed: int, part: str, number: int = 0) -> np.random.Generator:
    """Return the stream of a part that has come later: its key is none of those of `first_streams`.

    Parameters
    ----------
    seed : int
    part : str
    number : int, optional
        Of the year, or of what there are several of.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PARTS[part], number)))


def streams_of_year(seed: int, year: int) -> list[np.random.Generator]:
    """Return the streams of a year after the season, in the order of `first_streams`.

    Parameters
    ----------
    seed : int
    year : int
        From 1.

    Returns
    -------
    list of numpy.random.Generator
    """
    return [own_stream(seed, "years", FIRST_PARTS * year + part) for part in range(FIRST_PARTS)]
