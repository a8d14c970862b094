"""The form of a row about a product as its provider ships it; the rows stand in `catalogue`.

A row says how the files of a product are recognised, what its variables are called in them and here, how stored numbers
become physical ones, what grid and times they have, and which quality layers tell good cells. Constants are those of
the provider's documents: files state scales that mean a divisor, or none.
"""

from __future__ import annotations

from dataclasses import dataclass

from sm_toolbox.sensors.quality import FURTHER_RULES, QUALITY_RULES, QualityRule

RASTERS, ARRAYS = "rasters", "arrays"
"""How a product is packed: one raster file a layer, or many arrays in one file."""


@dataclass(frozen=True)
class Quality:
    """A layer that tells which cells of a variable are good.

    Parameters
    ----------
    layer : str
        Regular expression of the layer's name.
    rule : str
        Key of `QUALITY_RULES` or `FURTHER_RULES`.
    """

    layer: str
    rule: str

    @property
    def how(self) -> QualityRule:
        """The rule."""
        return QUALITY_RULES.get(self.rule) or FURTHER_RULES[self.rule]


@dataclass(frozen=True)
class Variable:
    """A variable of a product.

    Parameters
    ----------
    name : str
        In the output.
    layers : tuple of str
        Regular expressions of the layer's name, matched as a whole; the first that a file has is taken.
    unit : str
        Of the output; empty for shares and reflectance.
    scale, offset : float or None
        Physical value = scale · stored number + offset; None: what the file states.
    fills : tuple of float
        Stored numbers without meaning, beside what the file declares.
    valid : (float, float) or None
        Lowest and highest stored number that means something.
    quality : tuple of Quality
    is_main : bool
        Whether it is imported where no variables are asked for.
    thickness : float
        Metres of soil that kg m⁻² are in; 0 where the variable is none of these.
    scenes : str
        Regular expression that the scene's name begins with, where sensors number their bands differently.
    """

    name: str
    layers: tuple[str, ...]
    unit: str = ""
    scale: float | None = None
    offset: float | None = None
    fills: tuple[float, ...] = ()
    valid: tuple[float, float] | None = None
    quality: tuple[Quality, ...] = ()
    is_main: bool = True
    thickness: float = 0
    scenes: str = ""


@dataclass(frozen=True)
class HalfDay:
    """One of the halves of a day that a product keeps apart.

    Parameters
    ----------
    key : {'am', 'pm', ''}
    form : str
        Full name of a layer in the file, with {} for the layer of the row; empty for any place in the file.
    clock : str
        Layer that holds when cells were seen; empty where there is none.
    """

    key: str = ""
    form: str = ""
    clock: str = ""


@dataclass(frozen=True)
class ProductRow:
    """How a product's files are recognised and read.

    Parameters
    ----------
    key, label : str
    packing : {'rasters', 'arrays'}
    files : tuple of str
        Regular expressions of paths. Of rasters, groups `scene` and `layer` say what belongs together; of arrays, a
        file of another name is recognised by its layers alone.
    variables : tuple of Variable
    source : str
        Provider's document.
    tried : str
        On what the row was tried: `real file`, or `layout only`, made from the document.
    passes : tuple of HalfDay
    shape : (int, int) or None
        Rows and columns, where only they tell it from another product.
    epoch : str
        ISO moment that the clock counts seconds from.
    needs : tuple of str
        Regular expressions of layers that a file of any name is known by; none: those of its variables do.
    times : {'name', 'axis', 'none'}
        Whether the time of a single map is that of the file's name, or of its time axis; none for what does not change.
    calendar : str
        What counts instead of the calendar that the file states.
    is_swath : bool
        Whether cells follow the track of a satellite, so that they are taken nearest onto a grid.
    note : str
        What the log says of each import.
    """

    key: str
    label: str
    packing: str
    files: tuple[str, ...]
    variables: tuple[Variable, ...]
    source: str
    tried: str
    passes: tuple[HalfDay, ...] = (HalfDay(),)
    shape: tuple[int, int] | None = None
    epoch: str = ""
    needs: tuple[str, ...] = ()
    times: str = "name"
    calendar: str = ""
    is_swath: bool = False
    note: str = ""
