"""The variables of products in files of arrays."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.files import ARRAY_FILES
from sm_toolbox.products.pieces import Found, Layer, Piece, asked_for, first_layers
from sm_toolbox.products.placing import Placing, place_array, place_swath
from sm_toolbox.raster.arrays import ArrayFacts, ArrayFile
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.naming import same_resolution, time_from_cf, time_of_name
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.catalogue import CATALOGUE, named_part, variable_of_layer
from sm_toolbox.sensors.shipped import RASTERS, HalfDay, ProductRow, Quality, Variable

_CLASSES = 8


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
        is_radar = re.search(r"(?:^|[/\\])s1[a-d]?[-_]", path, re.IGNORECASE)
        reason = (
            "is Sentinel-1 without calibration and map grid: process it to decibels first (SNAP, ASF HyP3), then use "
            "it as it is"
            if is_radar
            else "is no file of a product that is known by its name"
        )
        found.skipped.append((path, reason))
        return
    try:
        with ArrayFile(path) as file:
            row = _product_of_file(file, path, product, wanted)
            file.kept["placed"] = found.placed
            pieces, reasons = _pieces_of_file(file, row, path, names, keep)
    except DriverError as error:
        found.skipped.append((path, _why_closed(lower, error)))
    except InputError as error:
        found.skipped.append((path, str(error)))
    else:
        found.skipped += [(path, reason) for reason in reasons]
        found.pieces += pieces
        if pieces:
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
    scene = os.path.basename(path)
    possible = [CATALOGUE[wanted]] if wanted != "auto" else [named] if named is not None else list(CATALOGUE.values())
    for product in possible:
        if product.packing == RASTERS or (wanted == "auto" and named is None and not _has_needs(product, bases)):
            continue
        if product is named:
            return product
        layers = [name for name in file.names() if _layer_of(product, name, scene)]
        is_by_size = product.shape is not None and named is None and wanted == "auto"
        if layers and is_by_size and file.describe(layers[0]).shape[-2:] != product.shape:
            continue
        if layers or named is not None:
            return product
    what = f"the `product_type` {wanted}" if wanted != "auto" else "any product that is known"
    some = ", ".join(sorted(bases)[:5])
    if not some:
        raise InputError("holds no arrays")
    if len(bases) > 1 and not any(_is_map(file, name) for name in file.names()):
        raise InputError("holds lists of cells and no map (a product of level 2): get the gridded product (level 3)")
    raise InputError(f"holds no layer of {what}; it has {some}{' …' if len(bases) > 5 else ''}")


def _is_map(file: ArrayFile, name: str) -> bool:
    with suppress(DriverError):
        # Lists have a second axis of classes or bands at most.
        shape = file.describe(name).shape
        return len(shape) > 1 and min(shape[-2:]) > _CLASSES
    return False


def _has_needs(product: ProductRow, bases: set[str]) -> bool:
    return all(any(re.fullmatch(need, base, re.IGNORECASE) for base in bases) for need in product.needs)


def _layer_of(product: ProductRow, name: str, scene: str) -> str:
    """Return the layer of the row that a full name is; empty where the row has no place for it."""
    for half in product.passes:
        layer = _in_pass(half, name)
        if layer and variable_of_layer(product, layer, scene) is not None:
            return layer
    return ""


def _pieces_of_file(
    file: ArrayFile, product: ProductRow, path: str, names: Sequence[str], keep: Sequence[str]
) -> tuple[list[Piece], list[str]]:
    """Return the pieces of a file, and why some of its layers give none."""
    pieces: list[Piece] = []
    any_here = False
    reasons: dict[str, None] = {}
    scene = os.path.basename(path)
    for half in product.passes:
        if keep and half.key and half.key not in keep:
            continue
        layers = ((_in_pass(half, name), name) for name in file.names())
        chosen = [
            (variable, layer, name)
            for layer, name in layers
            if layer
            and (variable := asked_for(product, variable_of_layer(product, layer, scene), layer, names)) is not None
        ]
        for variable, _, name in first_layers(chosen):
            any_here = True
            try:
                pieces += _pieces_of_array(file, product, path, name, variable, half)
            except InputError as error:
                reasons[str(error)] = None
    if not any_here:
        have = sorted({name.rpartition("/")[2] for name in file.names()})
        raise InputError(
            f"holds none of the variables {', '.join(names) or 'of ' + product.label}; its layers are "
            f"{', '.join(have[:8])}{' …' if len(have) > 8 else ''}"
        )
    return pieces, list(reasons)


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
    quality = []
    for rule in variable.quality:
        other = _quality_name(file, rule, half)
        if other:
            words = file.describe(other)
            quality.append((rule, words, _array_layer(path, words, _placing(file, product, words, half))))
    clock_name = half.form.format(half.clock) if half.clock else ""
    clock = None
    if clock_name in file.names():
        # Moments before the epoch stand for none, so that nothing else need be known of it.
        clock = Layer(path, clock_name, placing)
    passed, kind = half.key or named_part(product, path, "pass"), named_part(product, path, "kind")
    passed = {"A": "am", "D": "pm"}.get(passed.upper(), passed)
    for steps, time in _steps(file, product, facts, path):
        # Quality layers of several dates have these in the same order.
        words_now = tuple(
            (rule, replace(layer, steps=steps) if words.shape[:-2] == facts.shape[:-2] else layer)
            for rule, words, layer in quality
        )
        values = _array_layer(path, facts, placing, steps)
        yield Piece(variable, time, values, words_now, passed, clock, product, kind)


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
    placed, key = file.kept["placed"], (product.key, half.key, facts.shape[-2:])
    if key in placed:
        return placed[key]
    names = [half.form.format(name) for name in ("latitude", "longitude")] if half.form else ["", ""]
    there = [name if name in file.names() else "" for name in names]
    placing = place_array(file, facts, product.shape, (there[0], there[1]))
    if facts.shape[-2:] == product.shape:
        placed[key] = placing
    return placing


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
