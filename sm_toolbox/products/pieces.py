"""What an import is made of: layers of files, and pieces of variables with their quality layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sm_toolbox.products.placing import Placing
from sm_toolbox.raster.bands import Band
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.shipped import ProductRow, Quality, Variable


@dataclass(frozen=True)
class Layer:
    """Numbers of one variable, or quality words, of one moment, and how they are read.

    Parameters
    ----------
    path : str
        Of the file.
    name : str
        Of the array; empty where it is a band.
    placing : Placing
    band : int
        From 1, of a raster.
    steps : tuple of int
        Of an array, the indices along the axes before the last two.
    gaps : tuple of float
        Stored numbers without meaning.
    scale, offset : float
    unit : str
        As the file states.
    """

    path: str
    name: str
    placing: Placing
    band: int = 0
    steps: tuple[int, ...] = ()
    gaps: tuple[float, ...] = ()
    scale: float = 1
    offset: float = 0
    unit: str = ""


@dataclass(frozen=True)
class Piece:
    """A variable of a scene at one time, with its quality layers.

    Parameters
    ----------
    variable : Variable
    time : Time or None
        None for what does not change.
    values : Layer
    quality : tuple of (Quality, Layer)
    passed : str
        Half of the day, `am` or `pm`; empty where the product does not keep them apart.
    clock : Layer or None
        When cells were seen.
    product : ProductRow
    """

    variable: Variable
    time: Time | None
    values: Layer
    quality: tuple[tuple[Quality, Layer], ...]
    passed: str
    clock: Layer | None
    product: ProductRow


@dataclass
class Found:
    """What has been found in files.

    Parameters
    ----------
    pieces : list of Piece
    taken : list of (str, str)
        Files and their products.
    skipped : list of (str, str)
        Files and why they were not taken.
    notes : list of str
        What is to be known of scales.
    """

    pieces: list[Piece] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def asked_for(variable: Variable | None, layer: str, names: Sequence[str]) -> Variable | None:
    """Return the variable of a layer where it is asked for.

    Parameters
    ----------
    variable : Variable or None
        What the row of the product makes of the layer.
    layer : str
    names : sequence of str
        What is asked for; none for the main variables.

    Returns
    -------
    Variable or None
    """
    lower = [name.lower() for name in names]
    if variable is not None and (variable.name.lower() in lower or (not names and variable.is_main)):
        return variable
    if layer.lower() in lower:
        return variable or Variable(re.sub(r"\W+", "_", layer).strip("_").lower(), (re.escape(layer),))
    return None


def epoch_of(product: ProductRow) -> datetime:
    """Return the moment that a product's clock counts from.

    Parameters
    ----------
    product : ProductRow

    Returns
    -------
    datetime
    """
    return datetime.fromisoformat(product.epoch)


def layer_of_band(band: Band) -> Layer:
    """Return a band of a raster as a layer.

    Parameters
    ----------
    band : Band

    Returns
    -------
    Layer
    """
    return Layer(band.source.path, "", Placing(band.grid), band.index)
