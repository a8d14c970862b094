"""What is said of inputs before they are used: what is dated, what is the same on all dates, and what looks wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sm_toolbox.progress import Progress
from sm_toolbox.raster.bands import Stack
from sm_toolbox.raster.naming import stem_of

# What does not change from month to month, by the names that it goes by.
_LASTING = re.compile(
    r"dem|dtm|dsm|srtm|elev|height|altitude|slope|aspect|curv|twi|wetness|rough|rugged|north|east|relief|terrain|"
    r"sand|silt|clay|soil|texture|bulk|carbon|soc|awc|porosity|field_?cap|wilting|rock|geol|"
    r"land_?cover|land_?use|lulc|clc|forest|urban|water|dist|lat|lon|coord|climat|mean|median|static|embedding",
    re.IGNORECASE,
)
# Digits that name a band, a depth, a resolution or a version rather than a date.
_NO_DATE = re.compile(
    r"(?i)(b|band|v|ver|version|depth|layer|level|lag|q|p|h)_?\d+|\d+(\.\d+)?(cm|mm|m|km|hz|ghz|nm|s|n|w|e)"
)
# What changes within weeks: numbers after such a name are steps in time.
_CHANGING = re.compile(
    r"(ndvi|evi|savi|ndwi|lai|lst\w*|sm|ssm|soil_?moisture|rain\w*|precip\w*|temp\w*|albedo|vv|vh|et)_?\d+",
    re.IGNORECASE,
)


def tell_dated_and_static(stacks: Mapping[str, Stack], progress: Progress) -> None:
    """Log which variables are dated and which static, and warn of static ones that seem to have lost their dates.

    Parameters
    ----------
    stacks : mapping of str to Stack
        By predictor.
    progress : Progress
        Gets one line, and a warning for each suspicion.
    """
    dated = {name: stack for name, stack in stacks.items() if not stack.is_static}
    static = {name: stack for name, stack in stacks.items() if stack.is_static}
    listed = [f"{name} ({_times(stack)})" for name, stack in dated.items()]
    progress.info(f"Dated: {', '.join(listed) or 'none'}. The same on all dates: {', '.join(static) or 'none'}.")
    alike = _differing_in_digits(static)
    if alike:
        progress.warning(
            f"{', '.join(alike)} differ in digits alone and have no date, so that each is a variable of its own, the "
            "same on all dates. If the digits are dates, write them into the file names as YYYY-MM-DD."
        )
    if dated:
        for name, stack in static.items():
            band = stack.bands[0]
            if band.named_by_file and name not in alike and not _LASTING.search(f"{name} {stem_of(band.source.path)}"):
                progress.warning(
                    f"'{name}' ('{band.source.label}') has neither a band name nor a date, as after steps that drop "
                    "them, and is taken to be the same on all dates. If it is of one date, rename the layer or the "
                    "file as variable_YYYY-MM-DD."
                )


def tell_bands_within(product: Stack, stacks: Mapping[str, Stack], progress: Progress) -> None:
    """Warn of variables of which several bands lie within the time of a product's band: but one of them is taken.

    Parameters
    ----------
    product : Stack
        Such as means of months.
    stacks : mapping of str to Stack
        By predictor, such as daily rain.
    progress : Progress
    """
    lengths = [(time.end - time.start).total_seconds() / 86400 for time in product.times]
    length = sorted(lengths)[len(lengths) // 2] if lengths else 0.0
    shorter = [name for name, stack in stacks.items() if 0 < stack.step_days <= length / 2]
    if shorter:
        progress.warning(
            f"A date of '{product.variable}' stands for {length:g} days, but {', '.join(shorter)} "
            f"{'has' if len(shorter) == 1 else 'have'} several bands within them, of which only the first is taken. "
            "Make means or sums of the same periods first, with 'Composite over time'."
        )


def _times(stack: Stack) -> str:
    times = stack.times
    return str(times[0]) if len(times) == 1 else f"{times[0]} to {times[-1]}, {len(times)}"


def _differing_in_digits(static: Mapping[str, Stack]) -> list[str]:
    """Return variables whose names differ in numbers alone that name no band or depth."""
    groups: dict[str, list[str]] = {}
    for name, stack in static.items():
        of_files = stack.bands[0].named_by_file and re.search(r"\d", name) and not _NO_DATE.search(name)
        if of_files or _CHANGING.fullmatch(name):
            groups.setdefault(re.sub(r"\d+", "0", name), []).append(name)
    return [
        name
        for names in groups.values()
        if len(names) > 1 and (len(_files(static, names)) > 1 or _CHANGING.fullmatch(names[0]))
        for name in names
    ]


def _files(static: Mapping[str, Stack], names: list[str]) -> set[str]:
    return {static[name].bands[0].source.path for name in names}
