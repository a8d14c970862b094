"""Where the columns of a training table come from: names that clash told apart, and what is known of each kept."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sm_toolbox.raster.bands import Band, Stack, list_bands, refuse_duplicates, stacks, unit_of_band
from sm_toolbox.raster.kinds import is_direction
from sm_toolbox.raster.lags import LaggedStack, choose_lags, lagged, parse_lags
from sm_toolbox.raster.naming import file_of, stem_of
from sm_toolbox.raster.opening import Source
from sm_toolbox.raster.reading import ground_cell
from sm_toolbox.raster.timing import TimeRule
from sm_toolbox.sensors.names import read_names

if TYPE_CHECKING:
    from sm_toolbox.raster.cells import Cells


@dataclass(frozen=True)
class Origin:
    """What is known of a column that was sampled from rasters.

    Parameters
    ----------
    variable : str
        As the bands are named; the column may have a suffix that tells it from another.
    product : str
        The name of the files without their dates, which tells two products of one variable apart.
    file : str
        Name of the first file.
    crs : str
        As WKT.
    cell_size, corner : tuple of float
        Width and height of a cell, and the grid's first corner, in units of `crs`.
    time_step_days : float, optional
        Usual distance of the dates; None for static variables.
    largest_gap_days : float, optional
        How far a date was allowed to lie from a row.
    method : str, optional
        How the value at a point was read.
    unit : str, optional
        Where the file says it.
    kind : str
        'amount', 'direction', or 'builtin' where no raster is behind it.
    asked_gap_days : float, optional
        Largest gap in time that was asked for; None for the default.
    direction : str, optional
        'nearest' or 'previous': from which side of a row dates were taken.
    resampling : str, optional
        The rule by which values in the cells of a grid were made; None where they are of the raster's own cells.
    grid_cell_m : tuple of float, optional
        Width and height of the cells of that grid, in metres.
    lag : str, optional
        How far back values were taken, or over how long they are summed, as `lags.read_lag` reads it.
    """

    variable: str
    product: str
    file: str = ""
    crs: str = ""
    cell_size: tuple[float, float] = (0.0, 0.0)
    corner: tuple[float, float] = (0.0, 0.0)
    time_step_days: float | None = None
    largest_gap_days: float | None = None
    method: str | None = None
    unit: str | None = None
    kind: str = "amount"
    asked_gap_days: float | None = None
    direction: str | None = None
    resampling: str | None = None
    grid_cell_m: tuple[float, float] | None = None
    lag: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Predictors:
    """Stacks by the name of the column that each becomes, and where each comes from.

    Parameters
    ----------
    stacks : dict of str to Stack
    products : dict of str to str
        The product of each, by the same names.
    renamed : dict of str to str
        Why a column is not named as its variable, by its name.
    """

    stacks: dict[str, Stack]
    products: dict[str, str]
    renamed: dict[str, str]

    def origins(self, timing: TimeRule, method: str | Cells) -> dict[str, Origin]:
        """Return what is to be kept of each.

        Parameters
        ----------
        timing : TimeRule
        method : str or Cells
            How values are taken at points.

        Returns
        -------
        dict of str to Origin
        """
        found = {}
        for name, stack in self.stacks.items():
            first = stack.bands[0]
            transform = first.grid.transform
            found[name] = Origin(
                stack.variable,
                self.products[name],
                Path(first.source.path).name,
                first.grid.crs.to_wkt(),
                (abs(transform.a), abs(transform.e)),
                (transform.c, transform.f),
                None if stack.is_static else stack.step_days,
                None if stack.is_static else timing.reach(name, stack),
                method if isinstance(method, str) else method.method(first),
                unit_of_band(first),
                "class" if first.is_class else "direction" if is_direction(stack.variable) else "amount",
                None if stack.is_static else timing.gap(name, stack),
                None if stack.is_static else "previous" if timing.only_earlier(name, stack) else "nearest",
                None if isinstance(method, str) else method.rule,
                None if isinstance(method, str) else ground_cell(method.grid),
                str(stack.lag) if isinstance(stack, LaggedStack) else None,
            )
        return found

    def with_lags(self, text: str, taken: Collection[str] = ()) -> Predictors:
        """Add earlier values of variables as columns of their own.

        Parameters
        ----------
        text : str
            As `parse_lags` takes it.
        taken : collection of str, optional
            Names of columns that must stay, whatever their capitals.

        Returns
        -------
        Predictors

        Raises
        ------
        InputError
            As `parse_lags`, `choose_lags` and `lagged`.
        """
        chosen = choose_lags(parse_lags(text), self.stacks, taken)
        return replace(
            self,
            stacks={
                **self.stacks,
                **{column: lagged(name, self.stacks[name], lag) for column, (name, lag) in chosen.items()},
            },
            products={**self.products, **{column: self.products[name] for column, (name, _) in chosen.items()}},
        )


def read_predictors(sources: Iterable[Source], taken: Collection[str] = ()) -> Predictors:
    """Read the variables of rasters, each under a name that no other column has.

    Where two products have one variable, both are named `variable_product`, as is one whose variable is the name of a
    column that must stay. The product is the name of the files without dates, so that the same files give the same
    names again.

    Parameters
    ----------
    sources : iterable of Source
    taken : collection of str, optional
        Names of columns that must stay, whatever their capitals.

    Returns
    -------
    Predictors

    Raises
    ------
    InputError
        As `read_bands`; where two products cannot be told apart by their files either.
    """
    parts = part_products(list_bands(sources))
    variables = [variable for variable, _, _ in parts]
    used = {name.lower() for name in taken}
    # Variables that keep their names come first: a suffix must not take one of them.
    plain = [variables.count(variable) == 1 and variable.lower() not in used for variable in variables]
    used |= {variable.lower() for variable, keeps in zip(variables, plain) if keeps}
    found = Predictors({}, {}, {})
    for (variable, product, stack), keeps in zip(parts, plain):
        name = variable if keeps else _free(qualified(variable, product), used)
        if not keeps:
            used.add(name.lower())
            several = variables.count(variable) > 1
            found.renamed[name] = (
                f"several products have '{variable}'" if several else f"the table has a field '{variable}' of its own"
            )
        found.stacks[name] = stack
        found.products[name] = product
    return found


def part_products(bands: Sequence[Band]) -> list[tuple[str, str, Stack]]:
    """Part the bands of each variable where the files hold several products of it.

    Parameters
    ----------
    bands : sequence of Band

    Returns
    -------
    list of (str, str, Stack)
        Variable, product and stack, in the order of the bands. Bands that do not clash are one stack, from however many
        files.
    """
    found: list[tuple[str, str, Stack]] = []
    plain = products_of([band.source for band in bands])
    with_folder = {source: _with_folder(source, product) for source, product in plain.items()}
    for variable, stack in stacks(bands).items():
        own = list(stack.bands)
        if not _clash(own):
            found.append((variable, plain[own[0].source], stack))
            continue
        for products in (plain, with_folder):
            groups: dict[str, list[Band]] = {}
            for band in bands:
                if band.variable == variable:
                    groups.setdefault(products[band.source], []).append(band)
            if len(groups) > 1 and not any(map(_clash, groups.values())):
                break
        else:
            # Says which bands clash, and what helps.
            refuse_duplicates(own)
        found += [(variable, product, stacks(group)[variable]) for product, group in groups.items()]
    return found


def _clash(bands: Sequence[Band]) -> bool:
    times = [band.time for band in bands]
    return len(set(times)) < len(times) or (None in times and len(set(times)) > 1)


def products_of(sources: Sequence[Source]) -> dict[Source, str]:
    """Name the product of each file: its name without the date, as all names together tell it.

    Parameters
    ----------
    sources : sequence of Source

    Returns
    -------
    dict of Source to str
    """
    distinct = list(dict.fromkeys(sources))
    readings = read_names([stem_of(source.path) for source in distinct])
    return {
        source: re.sub(r"\W+", "_", reading.rest).strip("_") or "raster" for source, reading in zip(distinct, readings)
    }


def _with_folder(source: Source, product: str) -> str:
    folder = re.sub(r"\W+", "_", Path(file_of(source.path)).parent.name).strip("_")
    return f"{folder}_{product}" if folder else product


def qualified(variable: str, product: str) -> str:
    """Name the column of one product of a variable.

    Parameters
    ----------
    variable, product : str

    Returns
    -------
    str
    """
    return product if product.startswith(f"{variable}_") else f"{variable}_{product}"


def _free(name: str, used: Collection[str]) -> str:
    number, found = 2, name
    while found.lower() in used:
        found, number = f"{name}_{number}", number + 1
    return found


def origins_to_text(origins: Mapping[str, Origin]) -> str:
    """Write origins by column, for a place that keeps text.

    Parameters
    ----------
    origins : mapping of str to Origin

    Returns
    -------
    str
    """
    return json.dumps({name: origin.as_dict() for name, origin in origins.items()}, ensure_ascii=False)


def origins_from_text(text: str | None) -> dict[str, Origin]:
    """Read what `origins_to_text` wrote; what is no such text, and columns that cannot be read, are left out.

    Parameters
    ----------
    text : str or None

    Returns
    -------
    dict of str to Origin
    """
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    origins = {name: origin_from(item) for name, item in found.items()} if isinstance(found, dict) else {}
    return {name: origin for name, origin in origins.items() if origin is not None}


def origin_from(item: Any) -> Origin | None:
    """Read an origin from JSON; None where it is none. What later versions know more is left out.

    Parameters
    ----------
    item : object
        As JSON gives it.

    Returns
    -------
    Origin or None
    """
    if not isinstance(item, dict) or not all(isinstance(item.get(key), str) for key in ("variable", "product")):
        return None
    known = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in item.items()
        if key in Origin.__dataclass_fields__
    }
    return Origin(**known)  # type: ignore[arg-type]
