"""QGIS's expressions on the rows of a table that has been read."""

from __future__ import annotations

import numpy as np
from qgis.core import QgsExpression, QgsFeature, QgsFeatureRequest

from sm_toolbox.errors import InputError

from .layers import LayerTable, attribute


def rows_where(algorithm, parameters, key, context, table: LayerTable):
    """Return where QGIS's expression of a parameter is true (rows,), as NULL is not; None where it is not set."""
    # parameterAsExpression takes what it cannot read for nothing.
    text = algorithm.parameterAsString(parameters, key, context).strip()
    if not text:
        return None
    expression, scope = QgsExpression(text), algorithm.createExpressionContext(parameters, context)
    scope.setFields(table.fields)
    if expression.hasParserError():
        raise InputError(f"{key}: '{text[:200]}' is no expression of QGIS: {expression.parserErrorString().strip()}.")
    unknown = sorted(expression.referencedColumns() - set(table.fields.names()) - {QgsFeatureRequest.ALL_ATTRIBUTES})
    if unknown:
        raise InputError(
            f"{key} names '{unknown[0]}', which is no field of '{table.name}'. Its fields are: "
            f"{', '.join(table.fields.names())}. Texts stand in single quotes."
        )
    expression.prepare(scope)
    names = table.fields.names()
    found = np.zeros(len(table), bool)
    for row in range(len(table)):
        feature = QgsFeature(table.fields, row)
        feature.setAttributes([attribute(table.columns[name][row]) for name in names])
        if table.has_geometry:
            feature.setGeometry(table.geometries[row])
        scope.setFeature(feature)
        value = expression.evaluate(scope)
        if expression.hasEvalError():
            raise InputError(
                f"{key}: '{text[:200]}' cannot be evaluated in row {row + 1} of '{table.name}': "
                f"{expression.evalErrorString().strip()}."
            )
        found[row] = isinstance(value, (bool, int, float)) and bool(value)
    return found
