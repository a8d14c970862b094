"""Checks of parameter values, since Processing outside its dialogs takes most garbage as 0, or as yes."""

from __future__ import annotations

import math
import re

from qgis.core import QgsProcessingParameterNumber, QgsProperty

from sm_toolbox.errors import InputError

from .layers import labelled

_NUMBERS = ("number", "distance", "duration", "scale")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")
# QGIS's own largest numbers stand for no limit.
_NO_LIMIT = 1e300


def check_values(algorithm, parameters, context) -> None:
    """Check numbers, choices, switches and fields as they were given.

    Raises
    ------
    InputError
        Names the parameter, what was given and what it takes.
    """
    sources: dict = {}
    for definition in algorithm.parameterDefinitions():
        value = parameters.get(definition.name())
        if isinstance(value, QgsProperty):
            value, _ = value.value(context.expressionContext())
        kind = definition.type()
        if kind == "field":
            _check_fields(algorithm, definition, parameters, context, sources)
        elif value is None:
            continue
        elif kind in _NUMBERS:
            _check_number(definition, value)
        elif kind == "enum":
            _check_choice(definition, value)
        elif kind == "boolean":
            _check_switch(definition, value)


def _check_number(definition, value) -> None:
    label = labelled(definition)
    try:
        number = float(value)
    except (TypeError, ValueError):
        comma = isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip())
        hint = (
            f"Write {value.strip().replace(',', '.')}, with a point."
            if comma
            else "Write a number such as 0.5, or leave it out for the default."
        )
        raise InputError(f"{label}: '{value}' is no number. {hint}") from None
    if not math.isfinite(number):
        raise InputError(f"{label} must be a finite number, not {value}.")
    whole = definition.type() == "number" and definition.dataType() == QgsProcessingParameterNumber.Type.Integer
    if whole and number != int(number):
        raise InputError(f"{label} must be a whole number, not {value}.")
    low, high = definition.minimum(), definition.maximum()
    # parameterAsInt holds 32 bits; a larger number would wrap around or count as 0.
    high = min(high, 2**31 - 1) if whole else high
    if number < low or number > high:
        bounds = [f"at least {low:g}"] if low > -_NO_LIMIT and not (whole and low <= -(2**31)) else []
        bounds += [f"at most {high:g}"] if high < _NO_LIMIT else []
        raise InputError(f"{label} must be {' and '.join(bounds)}, not {value}.")


def _check_choice(definition, value) -> None:
    options = definition.options()
    several = isinstance(value, (list, tuple))
    words = value if several else value.split(",") if definition.allowMultiple() and isinstance(value, str) else [value]
    for item in words:
        if item not in options:
            raise InputError(f"{labelled(definition)} does not know '{item}'. It takes {', '.join(options)}.")


def _check_switch(definition, value) -> None:
    if isinstance(value, str) and value.strip().lower() not in ("true", "false", "1", "0"):
        raise InputError(f"{labelled(definition)} is switched by true or false, not by '{value}'.")


def field_names(algorithm, parameters, key: str, context) -> list[str]:
    """Return the fields that are chosen."""
    # QGIS gives parameterAsFields up since 3.40, before which there is no other.
    read = getattr(algorithm, "parameterAsStrings", None) or algorithm.parameterAsFields
    return read(parameters, key, context)


def _check_fields(algorithm, definition, parameters, context, sources: dict) -> None:
    # An empty text is a field that was cleared, for which QGIS would take the default.
    if parameters.get(definition.name()) == "":
        return
    parent = definition.parentLayerParameterName()
    if parent not in sources:
        sources[parent] = algorithm.parameterAsSource(parameters, parent, context)
    source = sources[parent]
    names = source.fields().names() if source is not None else []
    for name in field_names(algorithm, parameters, definition.name(), context) if names else []:
        if name and name not in names and not _is_absent_default(definition, name):
            raise InputError(
                f"{labelled(definition)}: '{source.sourceName()}' has no field '{name}'. Its fields are: "
                f"{', '.join(names)}."
            )


def _is_absent_default(definition, name) -> bool:
    return name == definition.defaultValue() and bool(definition.flags() & definition.Flag.FlagOptional)


def absent_defaults(algorithm, parameters, context, feedback) -> dict:
    """Return the optional fields by key whose default the layer does not have, as not set.

    `processing.run` fills defaults in as if they had been given, so that they cannot be told from those that were;
    hence the line in the log.
    """
    defaults = {}
    for definition in algorithm.parameterDefinitions():
        key, default = definition.name(), definition.defaultValue()
        if definition.type() != "field" or not default or not definition.flags() & definition.Flag.FlagOptional:
            continue
        if key in parameters and parameters[key] is None:
            defaults[key] = ""
        elif parameters.get(key, default) == default:
            source = algorithm.parameterAsSource(parameters, definition.parentLayerParameterName(), context)
            if source is not None and default not in source.fields().names():
                defaults[key] = ""
                feedback.pushInfo(
                    f"{labelled(definition)}: '{source.sourceName()}' has no field '{default}', and no other is given."
                )
    return defaults
