"""What files of products hold: which product each is, its variables with times, and where their quality layers are."""

from __future__ import annotations

import os
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.products.placing import Placing, place, place_swath
from sm_toolbox.raster.arrays import ArrayFacts, ArrayFile
from sm_toolbox.raster.bands import Band, list_bands
from sm_toolbox.raster.driver import DriverError
from sm_toolbox.raster.naming import same_resolution, time_from_cf, time_of_name
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.times import Time
from sm_toolbox.sensors.catalogue import (
    PRODUCTS,
    RASTERS,
    Pass,
    Product,
    Quality,
    Variable,
    product_of_name,
    variable_of_layer,
)
from sm_toolbox.sensors.optical import sentinel2_baseline

_ARRAY_FILES = (".hdf", ".h5", ".he5", ".hdf5", ".nc", ".nc4", ".cdf", ".grib", ".grib2", ".grb", ".grb2")
_RASTER_FILES = (".tif", ".tiff", ".jp2", ".gz", ".vrt")
_ZIPS, _TARS = (".zip",), (".tar", ".tgz", ".tar.gz", ".tar.bz2")
_GRIBS = (".grib", ".grib2", ".grb", ".grb2")


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
    product : Product
    """

    variable: Variable
    time: Time | None
    values: Layer
    quality: tuple[tuple[Quality, Layer], ...]
    passed: str
    clock: Layer | None
    product: Product


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


def list_files(paths: Sequence[str], scratch: str) -> list[str]:
    """Return the files that are named, with those in folders and archives.

    Rasters in archives are read in place; GDAL cannot read HDF and NetCDF so, which are unpacked.

    Parameters
    ----------
    paths : sequence of str
        Files, folders, zips, tars.
    scratch : str
        Folder for what is unpacked.

    Returns
    -------
    list of str
        In order of their names.

    Raises
    ------
    InputError
        Where one is not there.
    """
    files: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inner = sorted(str(file) for file in Path(path).rglob("*") if file.is_file())
            files += [found for file in inner for found in _within(file, scratch) if _may_be_product(found)]
        elif os.path.isfile(path) or path.startswith("/vsi"):
            files += list(_within(path, scratch))
        else:
            raise InputError(f"The file or folder '{path}' does not exist.")
    return list(dict.fromkeys(files))


def _may_be_product(path: str) -> bool:
    return path.lower().endswith((*_ARRAY_FILES, *_RASTER_FILES, ".buf", ".bufr", ".bfr"))


def _within(path: str, scratch: str) -> Iterator[str]:
    lower = path.lower()
    try:
        if lower.endswith(_ZIPS) and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if _may_be_product(name)]
                unpacked = [name for name in names if name.lower().endswith(_ARRAY_FILES)]
                folder = _unpack(archive, unpacked, scratch) if unpacked else ""
        elif lower.endswith(_TARS) and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                names = [name for name in archive.getnames() if _may_be_product(name)]
                unpacked = [name for name in names if name.lower().endswith(_ARRAY_FILES)]
                folder = _unpack(archive, unpacked, scratch) if unpacked else ""
        else:
            yield path
            return
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError):
        yield path
        return
    prefix = "/vsizip/" if lower.endswith(_ZIPS) else "/vsitar/"
    for name in sorted(names):
        yield f"{folder}/{name}" if name in unpacked else f"{prefix}{path}/{name}"


def _unpack(archive: zipfile.ZipFile | tarfile.TarFile, names: Sequence[str], scratch: str) -> str:
    """Write members into a folder of their own, never outside of it."""
    folder = tempfile.mkdtemp(dir=scratch)
    for name in names:
        member = PurePosixPath(name)
        if member.is_absolute() or ".." in member.parts:
            raise InputError(
                f"The archive holds '{name}', which lies outside of it. Unpack it by hand if you trust it."
            )
        stream = archive.open(name) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(name)
        if stream is None:
            continue
        target = Path(folder, *member.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with stream, open(target, "wb") as file:
            while block := stream.read(2**20):
                file.write(block)
    return folder


def find_pieces(files: Sequence[str], wanted: str, names: Sequence[str], keep: Sequence[str] = ()) -> Found:
    """Find the variables of products in files.

    Parameters
    ----------
    files : sequence of str
    wanted : str
        Key of `PRODUCTS`, or `auto`.
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
        if row is None or "scene" not in row[1].re.groupindex or path.lower().endswith(_GRIBS):
            _find_in_file(path, None if row is None else row[0], wanted, names, keep, found)
            continue
        product, match = row
        if wanted not in ("auto", product.key):
            found.skipped.append((path, f"is {product.label}, not the `product` {wanted}"))
            continue
        scene = match["scene"] + (match["date"] if "date" in match.re.groupindex else "")
        scenes.setdefault((product.key, scene), []).append((match["layer"], path))
    for (key, scene), layers in scenes.items():
        _find_in_rasters(PRODUCTS[key], scene, layers, names, found)
    return found


def _asked(variable: Variable | None, layer: str, names: Sequence[str]) -> Variable | None:
    """Return the variable of a layer where it is asked for."""
    lower = [name.lower() for name in names]
    if variable is not None and (variable.name.lower() in lower or (not names and variable.is_main)):
        return variable
    if layer.lower() in lower:
        return variable or Variable(re.sub(r"\W+", "_", layer).strip("_").lower(), (re.escape(layer),))
    return None


# ---- rasters, one layer a file


def _find_in_rasters(
    product: Product, scene: str, layers: Sequence[tuple[str, str]], names: Sequence[str], found: Found
) -> None:
    chosen = _finest_first(
        [
            (variable, layer, path)
            for layer, path in layers
            if (variable := _asked(variable_of_layer(product, layer, scene), layer, names)) is not None
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
            (rule, _band_layer(bands[other][0]))
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
    product: Product, variable: Variable, band: Band, quality: tuple[tuple[Quality, Layer], ...], found: Found
) -> Piece:
    time = None if product.times == "none" else band.time
    if product.key == "sentinel2_l2a":
        offset, note = _sentinel2_offset(band.source.path, None if time is None else time.start)
        variable = replace(variable, offset=offset)
        if note and note not in found.notes:
            found.notes.append(note)
    return Piece(variable, time, _band_layer(band), quality, "", None, product)


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


def _is_quality(product: Product, layer: str) -> bool:
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


def _band_layer(band: Band) -> Layer:
    return Layer(band.source.path, "", Placing(band.grid), band.index)


# ---- files of arrays


def _find_in_file(
    path: str, product: Product | None, wanted: str, names: Sequence[str], keep: Sequence[str], found: Found
) -> None:
    lower = path.lower()
    if lower.endswith((".buf", ".bufr", ".bfr")):
        found.skipped.append((path, "is BUFR, which GDAL cannot read: get the product as NetCDF"))
        return
    if lower.endswith(_GRIBS):
        _find_in_grib(path, wanted, names, found)
        return
    if not lower.endswith(_ARRAY_FILES):
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


def _product_of_file(file: ArrayFile, path: str, named: Product | None, wanted: str) -> Product:
    """Return the product of a file: by its name, else by its layers."""
    bases = {name.rpartition("/")[2] for name in file.names()}
    possible = [PRODUCTS[wanted]] if wanted != "auto" else [named] if named is not None else list(PRODUCTS.values())
    for product in possible:
        if product.packing == RASTERS or (wanted == "auto" and named is None and not _has_needs(product, bases)):
            continue
        layers = [name for name in file.names() if _layer_of(product, name)]
        is_by_size = product.shape is not None and named is None and wanted == "auto"
        if layers and is_by_size and file.describe(layers[0]).shape[-2:] != product.shape:
            continue
        if layers or named is not None:
            return product
    what = f"the `product` {wanted}" if wanted != "auto" else "any product that is known"
    some = ", ".join(sorted(bases)[:5])
    raise InputError(f"holds no layer of {what} ({some} …)" if some else "holds no arrays")


def _has_needs(product: Product, bases: set[str]) -> bool:
    return all(any(re.fullmatch(need, base, re.IGNORECASE) for base in bases) for need in product.needs)


def _layer_of(product: Product, name: str) -> str:
    """Return the layer of the row that a full name is; empty where the row has no place for it."""
    for half in product.passes:
        layer = _in_pass(half, name)
        if layer and variable_of_layer(product, layer) is not None:
            return layer
    return ""


def _pieces_of_file(
    file: ArrayFile, product: Product, path: str, names: Sequence[str], keep: Sequence[str]
) -> Iterator[Piece]:
    any_here = False
    reasons: list[str] = []
    for half in product.passes:
        if keep and half.key and half.key not in keep:
            continue
        for name in file.names():
            layer = _in_pass(half, name)
            variable = _asked(variable_of_layer(product, layer) if layer else None, layer, names) if layer else None
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


def _in_pass(half: Pass, name: str) -> str:
    if not half.form:
        return name.rpartition("/")[2]
    match = re.fullmatch(re.escape(half.form).replace(re.escape("{}"), "([^/]+)"), name)
    return "" if match is None else match[1]


def _pieces_of_array(
    file: ArrayFile, product: Product, path: str, name: str, variable: Variable, half: Pass
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


def _pass_of_name(product: Product, path: str) -> str:
    for pattern in product.files:
        match = re.search(pattern, path.replace(os.sep, "/"), re.IGNORECASE)
        if match is not None and "pass" in match.re.groupindex:
            return "am" if match["pass"].upper() == "A" else "pm"
    return ""


def _array_layer(path: str, facts: ArrayFacts, placing: Placing, steps: tuple[int, ...] = ()) -> Layer:
    steps = steps or (0,) * (len(facts.axes) - 2)
    return Layer(path, facts.name, placing, 0, steps, facts.gaps, facts.scale, facts.offset, facts.unit)


def _quality_name(file: ArrayFile, rule: Quality, half: Pass) -> str:
    for name in file.names():
        layer = _in_pass(half, name)
        if layer and re.fullmatch(rule.layer, layer, re.IGNORECASE):
            return name
    return ""


def _placing(file: ArrayFile, product: Product, facts: ArrayFacts, half: Pass) -> Placing:
    """Return where an array lies; arrays on the same axes lie in one place."""
    key = (half, facts.wkt, tuple((axis.name, axis.size) for axis in facts.axes[-2:]), facts.name.rpartition("/")[0])
    if key not in file.kept:
        file.kept[key] = _place(file, product, facts, half)
    return file.kept[key]


def _place(file: ArrayFile, product: Product, facts: ArrayFacts, half: Pass) -> Placing:
    if product.is_swath:
        latitude, longitude = (_degrees(file, f"/{name}") for name in ("latitude", "longitude"))
        passes = np.broadcast_to(file.read("/as_des_pass")[:, None], latitude.shape)
        # Metop crosses the equator southwards at 9:30, northwards at 21:30.
        return place_swath(latitude, longitude, passes == (1 if half.key == "am" else 0))
    names = [half.form.format(name) for name in ("latitude", "longitude")] if half.form else ["", ""]
    there = [name if name in file.names() else "" for name in names]
    return place(file, facts, product.shape, (there[0], there[1]))


def _degrees(file: ArrayFile, name: str) -> np.ndarray:
    facts = file.describe(name)
    stored = file.read(name)
    values = stored.astype(np.float64) * facts.scale + facts.offset
    return np.where(np.isin(stored, facts.gaps), np.nan, values)


def _steps(
    file: ArrayFile, product: Product, facts: ArrayFacts, path: str
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


def _time_in_file(file: ArrayFile, product: Product) -> Time | None:
    """Return the time of an array called time that is no axis of the maps."""
    for name in file.names():
        if name.rpartition("/")[2].lower() in ("time", "valid_time"):
            with suppress(DriverError, ValueError):
                facts = file.describe(name)
                values = file.read(name)
                if values.size == 1 and " since " in facts.unit:
                    return time_from_cf(float(values.ravel()[0]), facts.unit, product.calendar or "standard")
    return None


def _find_in_grib(path: str, wanted: str, names: Sequence[str], found: Found) -> None:
    product = PRODUCTS["era5"]
    if wanted not in ("auto", product.key):
        found.skipped.append((path, f"is GRIB, not the `product` {wanted}"))
        return
    try:
        bands = list_bands([Source(path)])
    except InputError as error:
        found.skipped.append((path, str(error)))
        return
    pieces = []
    for band in bands:
        variable = _asked(variable_of_layer(product, band.variable), band.variable, names)
        if variable is not None:
            pieces.append(Piece(variable, band.time, _band_layer(band), (), "", None, product))
    if pieces:
        found.taken.append((path, product.label))
        found.pieces += pieces
    else:
        have = ", ".join(sorted({band.variable for band in bands})[:8])
        found.skipped.append((path, f"holds none of the variables {', '.join(names) or 'of ERA5'}, but {have}"))


def epoch_of(product: Product) -> datetime:
    """Return the moment that a product's clock counts from.

    Parameters
    ----------
    product : Product

    Returns
    -------
    datetime
    """
    return datetime.fromisoformat(product.epoch)
