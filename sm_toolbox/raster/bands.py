"""Band = (variable, time | None, source), and stacks of the bands of one variable."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from sm_toolbox.errors import InputError
from sm_toolbox.progress import SILENT, Progress
from sm_toolbox.raster.choice import driver, driver_for_points
from sm_toolbox.raster.driver import BandDescription, Dataset
from sm_toolbox.raster.gaps import drop_ranges, is_gap, outside, stored_gaps
from sm_toolbox.raster.grid import Grid
from sm_toolbox.raster.kinds import is_class
from sm_toolbox.raster.meaning import band_scale, stated_unit
from sm_toolbox.raster.naming import BandFacts, band_name, facts_of, file_of, is_named, name_bands
from sm_toolbox.raster.opening import Source, open_as_stored, open_raster, readable
from sm_toolbox.raster.times import Time


@dataclass(frozen=True)
class Band:
    """One band of one raster file: a variable at a time (or static), and where to read it.

    Parameters
    ----------
    variable : str
    time : Time or None
        None for static bands.
    source : Source
    index : int
        The band's number in the file, from 1.
    grid : Grid
    named_by_file : bool, optional
        Whether the variable is the name of the layer or of the file, since the band has none.
    is_class : bool, optional
        Whether its numbers are classes, which are never averaged.
    described : BandDescription, optional
        What the file says of it: to be asked again for its unit takes GDAL as long as to open the file ten times.
    """

    variable: str
    time: Time | None
    source: Source
    index: int
    grid: Grid
    named_by_file: bool = False
    is_class: bool = False
    described: BandDescription | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The band's description: `ndvi`, or `ndvi@2018-06-01` where it is dated."""
        return band_name(self.variable, self.time)


def read_bands(sources: Iterable[Source]) -> list[Band]:
    """List the bands of raster files with their variables and times.

    The time of a band is taken from its description (`ndvi@2018-06-01`, or a bare date), else from the layer's temporal
    range in QGIS, else from NetCDF/CF time metadata, else from a date in the file's name. Where the description is
    empty the variable is the NetCDF variable or the file's stem without the date.

    Parameters
    ----------
    sources : iterable of Source

    Returns
    -------
    list of Band
        In the order of the files and of the bands in them.

    Raises
    ------
    InputError
        Where two bands have the same variable and time, a date is ambiguous, or a file cannot be read.

    Examples
    --------
    >>> from sm_toolbox.demo.example import write_example
    >>> source = write_example("predictors.tif", {"slope": [[3, 5]], "ndvi@2018-06-01": [[0.2, 0.4]]})
    >>> [(band.variable, str(band.time), band.index) for band in read_bands([source])]
    [('slope', 'None', 1), ('ndvi', '2018-06-01', 2)]
    """
    bands = list_bands(sources)
    refuse_duplicates(bands)
    return bands


def list_bands(sources: Iterable[Source]) -> list[Band]:
    """List bands as `read_bands` does, bands of the same variable and time included: those of two products.

    Parameters
    ----------
    sources : iterable of Source

    Returns
    -------
    list of Band

    Raises
    ------
    InputError
        Where there is no source, or one that cannot be opened or has no bands.
    """
    sources = list(sources)
    if not sources:
        raise InputError("No raster is given. Choose at least one layer.")
    listed: list[tuple[BandFacts, Grid, BandDescription]] = []
    alike: set[tuple[str, int, int]] = set()
    # GDAL lists a file's folder to find its sidecars: for each of a thousand files there, a thousand names. For GeoTIFF
    # it need only ask for their few names.
    ask = all(source.path.lower().endswith((".tif", ".tiff")) for source in sources)
    # One environment for all files: rasterio would set one up for each.
    with driver().environment(list_folders=not ask):
        for given in sources:
            parts = _read_file(given, listed, alike)
            _read_parts(parts, listed, alike)
    # All of them together: what is equal in all names is the variable, what varies the date.
    names = name_bands([facts for facts, _, _ in listed])
    return [
        Band(
            variable,
            time,
            facts.source,
            facts.index,
            grid,
            not is_named(facts),
            is_class(variable, described),
            described,
        )
        for (variable, time), (facts, grid, described) in zip(names, listed)
    ]


def _read_parts(
    parts: Sequence[Source], listed: list[tuple[BandFacts, Grid, BandDescription]], alike: set[tuple[str, int, int]]
) -> None:
    """Append the bands of the rasters within a file; those that are no maps, such as bounds of times, are left out."""
    no_maps: list[InputError] = []
    for part in parts:
        try:
            if _read_file(part, listed, alike):
                raise _no_band(part)
        except InputError as error:
            no_maps.append(error)
    if parts and len(no_maps) == len(parts):
        raise no_maps[0]


def _read_file(
    source: Source, listed: list[tuple[BandFacts, Grid, BandDescription]], alike: set[tuple[str, int, int]]
) -> list[Source]:
    """Append what a file says of its bands, or return its sub-datasets where it holds several variables."""
    # As it is stored, since only so it has the descriptions and times of its bands.
    with open_as_stored(source) as dataset:
        if dataset.count:
            # Files of one record are alike: the first tells the order of the axes of all.
            _refuse_transposed(dataset, source, alike)
            alike.add((dataset.tags(1).get("NETCDF_VARNAME", "VARIABLE"), dataset.width, dataset.height))
            grid = Grid.of(dataset, source.label)
            described = [dataset.describe(index) for index in range(1, dataset.count + 1)]
            if any(band.dtype.startswith("complex") for band in described):
                raise InputError(
                    f"The raster '{source.label}' ({source.path}) holds complex numbers. Make real ones of them "
                    "first: the amplitude or the intensity of a radar image."
                )
            # Transparency says where the other bands have data, and is read as such.
            only_alpha = all(band.is_alpha for band in described)
            indexes = [index for index, band in enumerate(described, start=1) if only_alpha or not band.is_alpha]
            moments = _scalar_times(dataset, source)
            listed += [
                (facts_of(dataset, source, index, len(indexes), moments), grid, described[index - 1])
                for index in indexes
            ]
            return []
        parts = dataset.subdatasets()
        if not parts:
            raise _no_band(source)
        return [
            replace(source, path=part, name=f"{source.label}: {part.rpartition(':')[2].strip('/')}") for part in parts
        ]


def _scalar_times(dataset: Dataset, source: Source) -> dict[str, tuple[str, str, str]]:
    """Return value, units and calendar of the scalar coordinates of a NetCDF file that are times, by their names."""
    tags = dataset.tags(1)
    names = tags.get("coordinates", "").split() if dataset.format == "netCDF" else []
    if not names or driver_for_points().name != "gdal":
        return {}
    from sm_toolbox.raster.gdal_driver import scalar_of

    found = {name: scalar_of(file_of(source.path), name) for name in names if f"NETCDF_DIM_{name}" not in tags}
    return {name: value for name, value in found.items() if value is not None}


_LIKE_X = re.compile(r"x(_?dim|c|_\d+)?|(nav_?|r)?lon(gitude)?\w*|eastings?", re.IGNORECASE)
_LIKE_Y = re.compile(r"y(_?dim|c|_\d+)?|(nav_?|r)?lat(itude)?\w*|northings?", re.IGNORECASE)


def _refuse_transposed(dataset: Dataset, source: Source, known: set[tuple[str, int, int]]) -> None:
    """Refuse a file whose last axes are not latitude, longitude: GDAL takes the last two for these."""
    if dataset.format != "netCDF":
        return
    variable = dataset.tags(1).get("NETCDF_VARNAME", "VARIABLE")
    others = re.findall(r"[^{},\s]+", dataset.tags().get("NETCDF_DIM_EXTRA", ""))
    maps_axes = [name for name in others if _LIKE_X.fullmatch(name) or _LIKE_Y.fullmatch(name)]
    said = [re.search(r"\((.*?)\) is not a Longitude/X dimension", text) for text in dataset.warnings]
    named_y = any(match and _LIKE_Y.fullmatch(match[1]) for match in said)
    if dataset.transform.is_identity and not maps_axes:
        return
    seen = (variable, dataset.width, dataset.height) in known
    if not maps_axes and not named_y and (seen or not _is_transposed(source, variable)):
        return
    what = (
        "the order longitude, latitude"
        if not maps_axes
        else f"an order where '{maps_axes[0]}' is not among the last two"
    )
    order = _order_of_maps(source, variable) or ("[0,2,1]" if others else "[1,0]")
    raise InputError(
        f"The axes of '{source.label}' ({source.path}) are in {what}, so that its map would "
        "lie on its side. Turn it first, in the OSGeo4W shell or a terminal: gdalmdimtranslate "
        f'"{file_of(source.path)}" turned.nc -array "name={variable},transpose={order}", and take turned.nc.'
    )


def _is_transposed(source: Source, variable: str) -> bool:
    """Say whether a variable's last dimensions are longitude, latitude, as far as osgeo is there to tell."""
    return [unit[:9] for unit in _units_of_axes(source, variable)[-2:]] == ["degrees_e", "degrees_n"]


def _order_of_maps(source: Source, variable: str) -> str:
    """Return the order of dimensions that ends with latitude, longitude; empty where it cannot be told."""
    units = [unit[:9] for unit in _units_of_axes(source, variable)]
    if units.count("degrees_n") != 1 or units.count("degrees_e") != 1:
        return ""
    y, x = units.index("degrees_n"), units.index("degrees_e")
    return str([*(place for place in range(len(units)) if place not in (y, x)), y, x]).replace(" ", "")


def _units_of_axes(source: Source, variable: str) -> list[str]:
    if driver_for_points().name != "gdal":
        return []
    from sm_toolbox.raster.gdal_driver import kinds_of_axes

    return kinds_of_axes(file_of(source.path), variable)


def _no_band(source: Source) -> InputError:
    return InputError(f"The raster '{source.label}' ({source.path}) holds no band. Check that QGIS can show it.")


def refuse_duplicates(bands: Sequence[Band]) -> None:
    """Raise where two bands have the same variable and time, or a variable is static in one file and dated in another.

    Parameters
    ----------
    bands : sequence of Band

    Raises
    ------
    InputError
        Which names both files.
    """
    seen: dict[tuple[str, Time | None], Band] = {}
    dated: dict[str, Band] = {}
    static: dict[str, Band] = {}
    for band in bands:
        twin = seen.setdefault((band.variable, band.time), band)
        if twin is not band:
            raise InputError(
                f"Two bands are named '{band.name}': band {twin.index} of '{twin.source.label}' "
                f"({twin.source.path}) and band {band.index} of '{band.source.label}' ({band.source.path}). Give "
                "the layers different names (in the modeler with 'Rename layer'), or the bands with 'Calculate with "
                "bands', or leave one of the files out."
            )
        (static if band.time is None else dated).setdefault(band.variable, band)
    for variable in static.keys() & dated.keys():
        a, b = static[variable], dated[variable]
        raise InputError(
            f"The variable '{variable}' is static in '{a.source.label}' ({a.source.path}) but dated in "
            f"'{b.source.label}' ({b.source.path}). Give every band of a variable a date, or none."
        )


@dataclass(frozen=True)
class Stack:
    """The bands of one variable: a single static band, or dated bands sorted by time.

    Parameters
    ----------
    variable : str
    bands : tuple of Band
    """

    variable: str
    bands: tuple[Band, ...]

    @property
    def is_static(self) -> bool:
        """Whether the variable has no dates."""
        return self.bands[0].time is None

    @cached_property
    def times(self) -> list[Time]:
        """The times of the bands; empty for a static stack."""
        return [band.time for band in self.bands if band.time is not None]

    @cached_property
    def step_days(self) -> float:
        """The usual distance of two dates in days; 0 where there are no two."""
        starts = np.array([time.start for time in self.times], "datetime64[s]")
        return float(np.median(np.diff(starts).astype(float)) / 86400) if len(starts) > 1 else 0.0

    def reach(self, max_gap_days: float | None, only_earlier: bool = False) -> float:
        """Return the largest gap in time, days.

        With half the distance of the dates no time within a regular record lacks a band, nor where only earlier bands
        are taken and each serves until the next.

        Parameters
        ----------
        max_gap_days : float or None
            What is asked for; None: half the distance of the dates.
        only_earlier : bool, optional
            None is then what lies between the end of a band's time and the next band.

        Returns
        -------
        float
        """
        if max_gap_days is not None:
            return max_gap_days
        if not only_earlier:
            return self.step_days / 2
        covered = np.median([(time.end - time.start).total_seconds() for time in self.times or [_NEVER]]) / 86400
        return max(0.0, self.step_days - float(covered))

    def nearest(self, time: Time | None, max_gap_days: float | None, only_earlier: bool = False) -> int | None:
        """Return the position of the band nearest in time, within the gap; of equally near ones the earlier.

        A static stack always answers 0. A dated one asked without a time answers None. Without a gap it is half the
        distance of the dates.

        Parameters
        ----------
        time : Time or None
        max_gap_days : float or None
            As `reach`.
        only_earlier : bool, optional
            Whether bands that begin after the time are left out; one that covers it, or whose time lies in the day
            asked for, is not.

        Returns
        -------
        int or None
        """
        if self.is_static:
            return 0
        if time is None:
            return None
        # Sorted by start, the nearest can only be a neighbour; a day may follow the month it lies in. Of bands
        # that cover the time the shortest period counts.
        times = self.times
        after = bisect_left(times, time)
        near = [
            (time.distance_days(times[i]), times[i].end - times[i].start, i)
            for i in range(max(0, after - 3), min(len(times), after + 2))
        ]
        if only_earlier:
            near = [item for item in near if not item[0] or times[item[2]].start <= time.start]
        distance, _, position = min(near, default=(np.inf, None, -1))
        return position if distance <= self.reach(max_gap_days, only_earlier) and position >= 0 else None


def default_gaps_in_words(of: str, reaches: Mapping[str, float]) -> str:
    """Say which gap in time each variable, or product, was given where MAX_TIME_GAP was not set.

    Parameters
    ----------
    of : str
        'variable' or 'product'.
    reaches : mapping of str to float
        Days.

    Returns
    -------
    str
    """
    listed = ", ".join(f"{name} {days:g}" for name, days in reaches.items())
    return f"`max_gap_days` is not set: half the distance of each {of}'s dates, in days: {listed}."


def stacks(bands: Iterable[Band]) -> dict[str, Stack]:
    """Group bands by variable, each sorted by time; the variables in the order in which they appear.

    Parameters
    ----------
    bands : iterable of Band

    Returns
    -------
    dict of str to Stack
    """
    groups: dict[str, list[Band]] = {}
    for band in bands:
        groups.setdefault(band.variable, []).append(band)
    return {
        variable: Stack(variable, tuple(sorted(group, key=lambda band: band.time or _NEVER)))
        for variable, group in groups.items()
    }


def single_stack(bands: Iterable[Band], role: str) -> Stack:
    """Return the one stack among bands that must all be of one variable.

    Parameters
    ----------
    bands : iterable of Band
    role : str
        The argument, for the message.

    Returns
    -------
    Stack

    Raises
    ------
    InputError
        Where the bands are of several variables; the message names them and the role.
    """
    found = stacks(bands)
    if len(found) != 1:
        raise InputError(
            f"`{role}` must hold one variable (one static band, or dated bands of the same name), but holds "
            f"{len(found)}: {', '.join(sorted(found))}. Choose the layers of one variable."
        )
    return next(iter(found.values()))


def named_stack(bands: Iterable[Band], role: str, progress: Progress = SILENT) -> Stack:
    """Return the stack of the variable that is named as a role (such as lst_day), or the only one.

    Parameters
    ----------
    bands : iterable of Band
    role : str
        The argument.
    progress : Progress, optional
        Gets a line where there are several variables.

    Returns
    -------
    Stack

    Raises
    ------
    InputError
        As `single_stack`.
    """
    found = stacks(bands)
    named = next((stack for variable, stack in found.items() if variable.lower() == role.lower()), None)
    if named is None or len(found) == 1:
        return single_stack([band for stack in found.values() for band in stack.bands], role)
    progress.info(f"`{role}`: of the variables {', '.join(found)}, '{named.variable}' is taken.")
    return named


def named_band(source: Source, variable: str) -> Band:
    """Return a file's only band, or among several the one of a variable.

    Parameters
    ----------
    source : Source
    variable : str

    Returns
    -------
    Band

    Raises
    ------
    InputError
        Where there are several bands and none has that name.
    """
    bands = read_bands([source])
    chosen = [band for band in bands if band.variable == variable] if len(bands) > 1 else bands
    if len(chosen) != 1:
        raise InputError(
            f"'{source.label}' has {len(bands)} bands ({', '.join(band.name for band in bands[:8])}), none of "
            f"them named '{variable}' alone. Name the band, or extract it into a file of its own."
        )
    return chosen[0]


def unit_of_band(band: Band) -> str | None:
    """Return the unit of a band's physical values, where its file states one.

    Parameters
    ----------
    band : Band

    Returns
    -------
    str or None
    """
    with open_raster(band.source) as dataset:
        scaling = band_scale(dataset, band.index, band.source.path)
        return scaling.unit or stated_unit(dataset, band.index, band.variable) or None


def overview(band: Band, size: int = 512) -> np.ndarray:
    """Read a band coarsely, for a first look at its values.

    Parameters
    ----------
    band : Band
    size : int, optional

    Returns
    -------
    ndarray of float64 (rows, cols)
        At most `size` cells on a side, scale and offset applied, NaN where there is no data.

    Raises
    ------
    InputError
        Where the file is damaged.
    """
    with open_raster(band.source) as dataset:
        shape = min(size, dataset.height), min(size, dataset.width)
        with readable(band.source):
            values, valid = dataset.read_coarsely(band.index, shape)
            scaling = band_scale(dataset, band.index, band.source.path)
        values[~valid] = np.nan
        missing = is_gap(values, stored_gaps(scaling, values.dtype))
        if missing is not None:
            values[missing] = np.nan
        values = values * scaling.scale + scaling.offset
        drop_ranges(values, (*band.source.gaps_of(band.index), *outside(scaling)))
        return values


_NEVER = Time(datetime(1, 1, 1))
