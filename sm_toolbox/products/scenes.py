"""What files of products hold: which product each is, and its variables with their times and quality layers."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sm_toolbox.errors import InputError
from sm_toolbox.products.arrayfiles import find_in_arrays
from sm_toolbox.products.files import GRIBS
from sm_toolbox.products.pieces import Found, Layer, Piece, asked_for, layer_of_band
from sm_toolbox.raster.bands import Band, list_bands
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.opening import Source
from sm_toolbox.sensors.catalogue import CATALOGUE, product_of_name, variable_of_layer
from sm_toolbox.sensors.optical import sentinel2_baseline
from sm_toolbox.sensors.shipped import ProductRow, Quality, Variable


def find_pieces(files: Sequence[str], wanted: str, names: Sequence[str], keep: Sequence[str] = ()) -> Found:
    """Find the variables of products in files.

    Parameters
    ----------
    files : sequence of str
    wanted : str
        Key of `CATALOGUE`, or `auto`.
    names : sequence of str
        Variables to take, by their names here or in the files; none for the main ones.
    keep : sequence of str, optional
        Halves of the day, `am` and `pm`; none for all.

    Returns
    -------
    Found
    """
    found = Found()
    scenes: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for path in files:
        row = product_of_name(path.replace(os.sep, "/"))
        if path.lower().endswith(GRIBS):
            _find_in_grib(path, wanted, names, found)
            continue
        if row is None or "scene" not in row[1].re.groupindex:
            find_in_arrays(path, None if row is None else row[0], wanted, names, keep, found)
            continue
        product, match = row
        if wanted not in ("auto", product.key):
            found.skipped.append((path, f"is {product.label}, not the `product_type` {wanted}"))
            continue
        scene = match["scene"] + (match["date"] if "date" in match.re.groupindex else "")
        scenes.setdefault((product.key, scene), []).append((match["layer"], path))
    for (key, scene), layers in scenes.items():
        _find_in_rasters(CATALOGUE[key], scene, layers, names, found)
    return found


def _find_in_rasters(
    product: ProductRow, scene: str, layers: Sequence[tuple[str, str]], names: Sequence[str], found: Found
) -> None:
    chosen = _finest_first(
        [
            (variable, layer, path)
            for layer, path in layers
            if (variable := asked_for(variable_of_layer(product, layer, scene), layer, names)) is not None
        ]
    )
    quality = [(layer, path) for layer, path in layers if _is_quality(product, layer)]
    if not chosen:
        found.skipped += [
            (path, f"holds no variable of {product.label} that is asked for")
            for layer, path in layers
            if (layer, path) not in quality
        ]
        return
    bands: dict[str, list[Band]] = {}
    for path in dict.fromkeys([*(path for *_, path in chosen), *(path for _, path in quality)]):
        try:
            bands[path] = list_bands([Source(_for_gdal(path))])
        except (InputError, DriverError) as error:
            found.skipped.append((path, str(error)))
    for variable, _, path in chosen:
        words = tuple(
            (rule, layer_of_band(bands[other][0]))
            for rule in variable.quality
            for layer, other in quality
            if other in bands and re.fullmatch(rule.layer, layer, re.IGNORECASE)
        )
        pieces = [_piece_of_band(product, variable, band, words, found) for band in bands.get(path, ())]
        if any(piece.time is None for piece in pieces) and product.times != "none":
            found.skipped.append((path, "has no date in its name or its bands"))
        elif pieces:
            found.pieces += pieces
            found.taken.append((path, product.label))


def _piece_of_band(
    product: ProductRow, variable: Variable, band: Band, quality: tuple[tuple[Quality, Layer], ...], found: Found
) -> Piece:
    time = None if product.times == "none" else band.time
    if product.key == "sentinel2_l2a":
        offset, note = _sentinel2_offset(band.source.path, None if time is None else time.start)
        variable = replace(variable, offset=offset)
        if note and note not in found.notes:
            found.notes.append(note)
    return Piece(variable, time, layer_of_band(band), quality, "", None, product)


def _sentinel2_offset(path: str, date: datetime | None) -> tuple[float, str]:
    """Return what is added to the reflectance of a band of Sentinel-2, and what is to be said of it."""
    folder = re.match(r".*\.SAFE(?=[/\\])", path)
    with suppress(OSError):
        if folder is not None:
            text = Path(folder[0], "MTD_MSIL2A.xml").read_text(encoding="utf-8")
            added = {float(value) for value in re.findall(r"<BOA_ADD_OFFSET[^>]*>([-0-9.]+)<", text)} or {0.0}
            divisor = re.search(r"<BOA_QUANTIFICATION_VALUE[^>]*>([0-9.]+)<", text)
            if len(added) == 1 and divisor is not None and float(divisor[1]) == 10000:
                return added.pop() / 10000, ""
    known = sentinel2_baseline(path, date)
    offset, reason = known if known is not None else (0.0, "its processing baseline is not known")
    if known is not None and "baseline 0" in reason:
        return offset, ""
    other = 0.1 if offset else -0.1
    return offset, (
        f"Sentinel-2: an offset of {offset:g} is taken ({reason}); files that were processed anew may need the other, "
        f"which changes all reflectances by {other:+g}. Import the .SAFE folder as downloaded to have it from there."
    )


def _for_gdal(path: str) -> str:
    return f"/vsigzip/{path}" if path.lower().endswith(".gz") else path


def _is_quality(product: ProductRow, layer: str) -> bool:
    return any(
        re.fullmatch(rule.layer, layer, re.IGNORECASE) for variable in product.variables for rule in variable.quality
    )


def _finest_first(chosen: list[tuple[Variable, str, str]]) -> list[tuple[Variable, str, str]]:
    """Keep of each variable the layers that its row names first."""

    def rank(variable: Variable, layer: str) -> int:
        forms = (place for place, form in enumerate(variable.layers) if re.fullmatch(form, layer, re.IGNORECASE))
        return next(forms, 0)

    best: dict[str, int] = {}
    for variable, layer, _ in chosen:
        best[variable.name] = min(best.get(variable.name, 99), rank(variable, layer))
    return [item for item in chosen if rank(item[0], item[1]) == best[item[0].name]]


def _find_in_grib(path: str, wanted: str, names: Sequence[str], found: Found) -> None:
    product = CATALOGUE["era5"]
    if wanted not in ("auto", product.key):
        found.skipped.append((path, f"is GRIB, not the `product_type` {wanted}"))
        return
    try:
        bands = list_bands([Source(path)])
    except InputError as error:
        found.skipped.append((path, str(error)))
        return
    pieces = []
    for band in bands:
        variable = asked_for(variable_of_layer(product, band.variable), band.variable, names)
        if variable is not None:
            pieces.append(Piece(variable, band.time, layer_of_band(band), (), "", None, product))
    if pieces:
        found.taken.append((path, product.label))
        found.pieces += pieces
    else:
        have = ", ".join(sorted({band.variable for band in bands})[:8])
        found.skipped.append((path, f"holds none of the variables {', '.join(names) or 'of ERA5'}, but {have}"))
