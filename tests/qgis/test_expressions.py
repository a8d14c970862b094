"""The expressions that messages advise convert what they are advised for."""

import re

import pytest
from qgis.core import QgsExpression, QgsExpressionContext, QgsFeature, QgsField, QgsFields
from qgis.PyQt.QtCore import QVariant

from sm_toolbox.columns import to_times
from sm_toolbox.errors import InputError


@pytest.mark.parametrize(
    ("value", "time"),
    [
        (43261.5, "2018-06-10T12:00:00"),
        (1528588800.0, "2018-06-10T00:00:00"),
        (1528588800000.0, "2018-06-10T00:00:00"),
        (201806.0, "2018-06"),
        ("10.06.2018", "2018-06-10"),
        ("10/06/2018 14:30", "2018-06-10T14:30:00"),
    ],
)
def test_the_advice_works(plugin, value, time):
    with pytest.raises(InputError) as error:
        to_times([value], "time", "stations")
    advice = re.search(r"field calculator: (.*?)(?: where the day comes first.*|\.)$", str(error.value))[1]
    fields = QgsFields()
    fields.append(QgsField("time", QVariant.String if isinstance(value, str) else QVariant.Double))
    feature = QgsFeature(fields)
    feature.setAttributes([value])
    context = QgsExpressionContext()
    context.setFeature(feature)
    context.setFields(fields)
    result = QgsExpression(advice).evaluate(context)
    for convert in ("toPyDateTime", "toPyDate"):
        if hasattr(result, convert):
            result = getattr(result, convert)()
            break
    assert [str(found) for found in to_times([result], "time", "stations")] == [time]
