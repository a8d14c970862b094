"""The cases: every parameter of every algorithm × every kind of hostile value that it can take."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from tests.hostile import kinds

_PLAIN = {
    "number": kinds.NUMBERS,
    "distance": kinds.NUMBERS,
    "string": kinds.TEXTS,
    "expression": kinds.TEXTS,
    "enum": kinds.CHOICES,
    "boolean": kinds.SWITCHES,
    "field": kinds.FIELDS,
    "datetime": kinds.DATES,
    "crs": kinds.CRSS,
    "extent": kinds.EXTENTS,
}
_OUTPUTS = ("rasterDestination", "sink", "fileDestination", "folderDestination")


@dataclass(frozen=True)
class Case:
    """One run with one hostile value.

    Parameters
    ----------
    algorithm, key, kind : str
        Kind as `type of parameter: name of the value`.
    value : object
        The value, or what makes it in a folder.
    """

    algorithm: str
    key: str
    kind: str
    value: Any

    def __str__(self) -> str:
        return f"{self.algorithm} {self.key} = {self.kind}"


def all_cases(provider, scene) -> list[Case]:
    """List all cases, in a fixed order."""
    rasters, tables, files = kinds.raster_kinds(), kinds.table_kinds(scene), kinds.file_kinds(scene)
    cases = []
    for name, base in sorted(scene.bases().items()):
        for definition in provider.algorithm(name).parameterDefinitions():
            kind = definition.type()
            if kind in ("raster", "multilayer"):
                group, values = "raster", rasters
            elif kind in ("source", "vector"):
                group, values = "table", tables
            elif kind == "file":
                group, values = "file", files
            elif kind in _OUTPUTS:
                group, values = "output", kinds.output_kinds(kind, base)
            else:
                group, values = kind, _PLAIN[kind]
            cases += [Case(name, definition.name(), f"{group}: {label}", value) for label, value in values.items()]
            if kind == "multilayer":
                cases.append(Case(name, definition.name(), "raster: none", []))
                cases.append(
                    Case(name, definition.name(), "raster: one file twice", lambda folder: [scene.ndvi, scene.ndvi])
                )
    return cases


def some_cases(cases: list[Case], count: int, seed: int = 0) -> list[Case]:
    """Choose cases so that every parameter has one at least, and every kind as nearly the same number as can be."""
    rng = random.Random(seed)
    shuffled = rng.sample(cases, len(cases))
    chosen, by_parameter, by_kind = [], set(), defaultdict(list)
    for case in shuffled:
        if (case.algorithm, case.key) not in by_parameter:
            by_parameter.add((case.algorithm, case.key))
            chosen.append(case)
        else:
            by_kind[case.kind].append(case)
    taken = Counter(case.kind for case in chosen)
    while len(chosen) < count and by_kind:
        kind = min(by_kind, key=lambda kind: (taken[kind], kind))
        chosen.append(by_kind[kind].pop())
        taken[kind] += 1
        if not by_kind[kind]:
            del by_kind[kind]
    return sorted(chosen, key=lambda case: (case.algorithm, case.key, case.kind))
