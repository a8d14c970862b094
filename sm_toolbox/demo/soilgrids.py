"""Soil properties as SoilGrids delivers them: names, whole numbers and units of its files, with errors."""

from __future__ import annotations

import numpy as np

from sm_toolbox.demo.fields import block_mean, random_field
from sm_toolbox.demo.scene import Soil
from sm_toolbox.demo.terrain import Terrain

SOILGRIDS_FACTOR = 3
SOILGRIDS = {
    "sand_0-5cm_mean": ("sand", 10, 40),
    "clay_0-5cm_mean": ("clay", 10, 25),
    "bdod_0-5cm_mean": ("bulk_density", 100, 3),
    "soc_0-5cm_mean": ("organic_carbon", 10, 20),
}
"""By the file's name: the property, what the file holds of one of its units, and the standard deviation of its error
in the file's units: g/kg, g/kg, cg/cm³, dg/kg."""
_MINERAL = 2.65  # g cm⁻³


def make_soil_properties(
    terrain: Terrain, soil: Soil, vegetation: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return the truth of the soil, what the water balance uses included.

    Parameters
    ----------
    terrain : Terrain
    soil : Soil
    vegetation : ndarray (rows, cols)
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, float32 (rows, cols)
        `bulk_density` (g cm⁻³), `organic_carbon` (g kg⁻¹), `porosity`, `field_capacity`, `wilting_point` (m³ m⁻³).
    """
    carbon = 14 + 4 * terrain.hollow + 25 * (vegetation - 0.66) + 4 * random_field(rng, vegetation.shape, 15)
    properties = {
        "bulk_density": _MINERAL * (1 - soil.porosity),
        "organic_carbon": np.clip(carbon, 3, 60),
        "porosity": soil.porosity,
        "field_capacity": soil.field_capacity,
        "wilting_point": soil.wilting_point,
    }
    return {name: values.astype(np.float32) for name, values in properties.items()}


def as_soilgrids(truth: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the files of SoilGrids hold.

    Parameters
    ----------
    truth : dict of str to ndarray (rows, cols)
        Sand and clay (percent), bulk density (g cm⁻³), organic carbon (g kg⁻¹).
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, float32 (rows / 3, cols / 3)
        By the names of the files; whole numbers.
    """
    files = {}
    for file, (name, scale, error) in SOILGRIDS.items():
        values = block_mean(truth[name], SOILGRIDS_FACTOR) * scale
        values += error * random_field(rng, values.shape, 6)
        files[file] = np.round(np.maximum(values, 0)).astype(np.float32)
    return files
