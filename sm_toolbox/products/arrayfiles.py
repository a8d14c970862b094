"""The variables of products in files of arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.files import ARRAY_FILES
from sm_toolbox.products.pieces import Found, Layer, Piece, asked_for
from sm_toolbox.products.placing import Placing, place_array, place_swath
from sm_toolbox.raster.arrays import ArrayFacts, ArrayFile
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.naming import same_resolution, time_from_cf, time_of_name
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.catalogue import CATALOGUE, variable_of_layer
from sm_toolbox.sensors.shipped import RASTERS, HalfDay, ProductRow, Quality, Variable


def find_in_arrays(
    path: str, product: ProductRow | None, wanted: str, names: Sequence[str], keep: Sequence[str], found: Found
) -> None:
    """Find the variables of products in a file of arrays.

    Parameters
    ----------
    path : str
    product : ProductRow or None
        What its name says.
    wanted : str
        Key of `CATALOGUE`, or `auto`.
    names, keep : sequence of str
        As `find_pieces`.
    found : Found
        What is added to.
    """
    lower = path.lower()
    if lower.endswith((".buf", ".bufr", ".bfr")):
        found.skipped.append((path, "is BUFR, which GDAL cannot read: get the product as NetCDF"))
        return
    if not lower.endswith(ARRAY_FILES):
        found.skipped.append((path, "is no file of a product that is known by its name"))
        return
    try:
        with ArrayFile(path) as file:
            row = _product_of_file(file, path, product, wanted)
            pieces = list(_pieces_of_file(file, row, path, names, keep))
    except DriverError as error:
        found.skipped.append((path, _why_closed(lower, error)))
    except InputError as error:
        found.skipped.append((path, str(error)))
    else:
        found.pieces += pieces
        found.taken.append((path, row.label))


def _why_closed(path: str, error: DriverError) -> str:
    if path.endswith(".hdf") and "not recognized" in str(error):
        return (
            "cannot be opened: this GDAL has no driver for HDF4, or the file is damaged. Ask NASA's AppEEARS for "
            "GeoTIFF or NetCDF instead, or import it on a computer whose QGIS lists HDF4 under 'gdalinfo --formats'"
        )
    return f"cannot be read ({error}): download it again"


def _product_of_file(file: ArrayFile, path: str, named: ProductRow | None, wanted: str) -> ProductRow:
    """Return the product of a file: by its name, else by its layers."""
    bases = {name.rpartition("/")[2] for name in file.names()}
    possible = [CATALOGUE[wanted]] if wanted != "auto" else [named] if named is not None else list(CATALOGUE.values())
    for product in possible:
        if product.packing == RASTERS or (wanted == "auto" and named is None and not _has_needs(product, bases)):
            continue
        layers = [name for name in file.names() if _layer_of(product, name)]
        is_by_size = product.shape is not None and named is None and wanted == "auto"
        if layers and is_by_size and file.describe(layers[0]).shape[-2:] != product.shape:
            continue
        if layers or named is not None:
            return product
    what = f"the `product_type` {wanted}" if wanted != "auto" else "any product that is known"
    some = ", ".join(sorted(bases)[:5])
    raise InputError(f"holds no layer of {what} ({some} …)" if some else "holds no arrays")


def _has_needs(product: ProductRow, bases: set[str]) -> bool:
    return all(any(re.fullmatch(need, base, re.IGNORECASE) for base in bases) for need in product.needs)


def _layer_of(product: ProductRow, name: str) -> str:
    """Return the layer of the row that a full name is; empty where the row has no place for it."""
    for half in product.passes:
        layer = _in_pass(half, name)
        if layer and variable_of_layer(product, layer) is not None:
            return layer
    return ""


def _pieces_of_file(
    file: ArrayFile, product: ProductRow, path: str, names: Sequence[str], keep: Sequence[str]
) -> Iterator[Piece]:
    any_here = False
    reasons: list[str] = []
    for half in product.passes:
        if keep and half.key and half.key not in keep:
            continue
        for name in file.names():
            layer = _in_pass(half, name)
            variable = asked_for(variable_of_layer(product, layer) if layer else None, layer, names) if layer else None
            if variable is None:
                continue
            any_here = True
            try:
                yield from _pieces_of_array(file, product, path, name, variable, half)
            except InputError as error:
                reasons.append(str(error))
    if not any_here:
        raise InputError(f"holds none of the variables {', '.join(names) or 'of ' + product.label}")
    if reasons:
        raise InputError("; ".join(dict.fromkeys(reasons)))


def _in_pass(half: HalfDay, name: str) -> str:
    if not half.form:
        return name.rpartition("/")[2]
    match = re.fullmatch(re.escape(half.form).replace(re.escape("{}"), "([^/]+)"), name)
    return "" if match is None else match[1]


def _pieces_of_array(
    file: ArrayFile, product: ProductRow, path: str, name: str, variable: Variable, half: HalfDay
) -> Iterator[Piece]:
    facts = file.describe(name)
    if len(facts.axes) < 2:
        raise InputError(f"{name} is a list of cells without a grid: get the gridded product (level 3)")
    if 0 in facts.shape:
        raise InputError(f"{name} holds not a single time step")
    placing = _placing(file, product, facts, half)
    layers = {rule: _quality_name(file, rule, half) for rule in variable.quality}
    quality = tuple(
        (rule, _array_layer(path, file.describe(other), _placing(file, product, file.describe(other), half)))
        for rule, other in layers.items()
        if other
    )
    clock_name = half.form.format(half.clock) if half.clock else ""
    clock = None
    if clock_name in file.names():
        clock = _array_layer(path, file.describe(clock_name), placing)
    passed = half.key or _pass_of_name(product, path)
    for steps, time in _steps(file, product, facts, path):
        yield Piece(variable, time, _array_layer(path, facts, placing, steps), quality, passed, clock, product)


def _pass_of_name(product: ProductRow, path: str) -> str:
    for pattern in product.files:
        match = re.search(pattern, path.replace(os.sep, "/"), re.IGNORECASE)
        if match is not None and "pass" in match.re.groupindex:
            return "am" if match["pass"].upper() == "A" else "pm"
    return ""


def _array_layer(path: str, facts: ArrayFacts, placing: Placing, steps: tuple[int, ...] = ()) -> Layer:
    steps = steps or (0,) * (len(facts.axes) - 2)
    return Layer(path, facts.name, placing, 0, steps, facts.gaps, facts.scale, facts.offset, facts.unit)


def _quality_name(file: ArrayFile, rule: Quality, half: HalfDay) -> str:
    for name in file.names():
        layer = _in_pass(half, name)
        if layer and re.fullmatch(rule.layer, layer, re.IGNORECASE):
            return name
    return ""


def _placing(file: ArrayFile, product: ProductRow, facts: ArrayFacts, half: HalfDay) -> Placing:
    """Return where an array lies; arrays on the same axes lie in one place."""
    key = (half, facts.wkt, tuple((axis.name, axis.size) for axis in facts.axes[-2:]), facts.name.rpartition("/")[0])
    if key not in file.kept:
        file.kept[key] = _place(file, product, facts, half)
    return file.kept[key]


def _place(file: ArrayFile, product: ProductRow, facts: ArrayFacts, half: HalfDay) -> Placing:
    if product.is_swath:
        latitude, longitude = (_degrees(file, f"/{name}") for name in ("latitude", "longitude"))
        passes = np.broadcast_to(file.read("/as_des_pass")[:, None], latitude.shape)
        # Metop crosses the equator southwards at 9:30, northwards at 21:30.
        return place_swath(latitude, longitude, passes == (1 if half.key == "am" else 0))
    names = [half.form.format(name) for name in ("latitude", "longitude")] if half.form else ["", ""]
    there = [name if name in file.names() else "" for name in names]
    return place_array(file, facts, product.shape, (there[0], there[1]))


def _degrees(file: ArrayFile, name: str) -> np.ndarray:
    facts = file.describe(name)
    stored = file.read(name)
    values = stored.astype(np.float64) * facts.scale + facts.offset
    return np.where(np.isin(stored, facts.gaps), np.nan, values)


def _steps(
    file: ArrayFile, product: ProductRow, facts: ArrayFacts, path: str
) -> Iterator[tuple[tuple[int, ...], Time | None]]:
    """Yield the indices along the axes before the last two, with the time of each."""
    leading = facts.axes[:-2]
    timed = next((number for number, axis in enumerate(leading) if " since " in axis.unit), None)
    for number, axis in enumerate(leading):
        if number != timed and axis.size > 1 and axis.name.lower() not in ("expver", "number"):
            raise InputError(f"{facts.name} has {axis.size} values along {axis.name}, of which none can be chosen")
    count = 1 if timed is None else leading[timed].size
    named = time_of_name(path)
    times: Sequence[Time | None] = [named] * count
    if timed is not None and (named is None or count > 1 or product.times == "axis"):
        axis = leading[timed]
        assert axis.values is not None
        calendar = product.calendar or "standard"
        times = same_resolution([time_from_cf(float(value), axis.unit, calendar) for value in axis.values])
    for index in np.ndindex(*(axis.size for axis in leading)):
        time = times[0 if timed is None else index[timed]] or _time_in_file(file, product)
        if time is None:
            raise InputError("has no date, neither in its name nor in its axes")
        yield tuple(index), time


def _time_in_file(file: ArrayFile, product: ProductRow) -> Time | None:
    """Return the time of an array called time that is no axis of the maps."""
    for name in file.names():
        if name.rpartition("/")[2].lower() in ("time", "valid_time"):
            with suppress(DriverError, ValueError):
                facts = file.describe(name)
                values = file.read(name)
                if values.size == 1 and " since " in facts.unit:
                    return time_from_cf(float(values.ravel()[0]), facts.unit, product.calendar or "standard")
    return None
