"""Static variables of ISMN's stations: land cover, climate and soil."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_STATIC = {
    "sand fraction": "sand",
    "clay fraction": "clay",
    "silt fraction": "silt",
    "organic carbon": "organic_carbon",
}


@dataclass(frozen=True)
class Static:
    """The static variables of a station.

    Parameters
    ----------
    land_cover : dict of int to (int, str)
        For each year of ESA CCI's maps the class's code and name.
    land_cover_in_situ, climate : str
        Empty where there is none. The climate is the code of Köppen and Geiger (Peel et al. 2007), or else what the
        network says.
    soil : dict of str to list of (float, float, float)
        `sand`, `clay`, `silt` and `organic_carbon` (percent of weight): depth from and to (m), and value.
    """

    land_cover: dict[int, tuple[int, str]] = field(default_factory=dict)
    land_cover_in_situ: str = ""
    climate: str = ""
    soil: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)

    def cover_in(self, year: int) -> tuple[int | None, str | None]:
        """Return the land cover on the map nearest to a year; the network's own word where there is no map.

        Parameters
        ----------
        year : int

        Returns
        -------
        int or None, str or None
            Code and name.
        """
        if not self.land_cover:
            return None, self.land_cover_in_situ or None
        return self.land_cover[min(self.land_cover, key=lambda mapped: (abs(mapped - year), mapped))]

    def soil_at(self, name: str, top: float, bottom: float) -> float:
        """Return the soil property of the layer that overlaps most with a sensor's depths, relative to their union.

        For a sensor at a single depth it is the thinnest layer around it.

        Parameters
        ----------
        name : str
            A key of `soil`.
        top, bottom : float
            Metres.

        Returns
        -------
        float
            NaN where no layer touches them.
        """
        best, nearest_value = (-1.0, 0.0), float("nan")
        for start, end, value in self.soil.get(name, []):
            shared, span = min(end, bottom) - max(start, top), max(end, bottom) - min(start, top)
            likeness = (1.0 if span == 0 else shared / span, start - end)
            if shared >= 0 and likeness > best:
                best, nearest_value = likeness, value
        return nearest_value


def read_static(data: bytes) -> Static:
    """Read the table of a station's static variables.

    Parameters
    ----------
    data : bytes
        Lines of quantity; unit; depth from; depth to; value; description; source; …, with or without a header.

    Returns
    -------
    Static
    """
    land_cover: dict[int, tuple[int, str]] = {}
    soil: dict[str, list[tuple[float, float, float]]] = {}
    in_situ = {"land cover classification": "", "climate classification": ""}
    climate = ""
    for line in decode(data).splitlines():
        cells = [cell.strip() for cell in line.split(";")]
        if len(cells) < 7:
            continue
        quantity, value, source = cells[0].lower(), cells[4], cells[6]
        year = re.match(r"CCI_landcover_(\d{4})", source)
        if quantity in in_situ and source == "insitu":
            in_situ[quantity] = value
        elif quantity == "land cover classification" and year and re.fullmatch("[0-9]{1,3}", value):
            land_cover[int(year.group(1))] = (int(value), cells[5])
        elif quantity == "climate classification":
            climate = value
        elif quantity in _STATIC:
            numbers = _numbers(cells[2:5])
            if numbers is not None:
                soil.setdefault(_STATIC[quantity], []).append(numbers)
    return Static(land_cover, in_situ["land cover classification"], climate or in_situ["climate classification"], soil)


def _numbers(cells: Sequence[str]) -> tuple[float, float, float] | None:
    try:
        start, end, value = (float(cell) for cell in cells)
    except ValueError:
        return None
    return start, end, value


def decode(data: bytes) -> str:
    """Decode a file in UTF-8, else in Latin-1.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    str
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
