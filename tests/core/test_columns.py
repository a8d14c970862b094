"""Columns as users' tables hold them."""

import pytest

from sm_toolbox.columns import to_times
from sm_toolbox.errors import InputError


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2019/04/03", "2019-04-03"),
        ("2019/04/03 14:30:00", "2019-04-03T14:30:00"),
        (" 2019-04-03 ", "2019-04-03"),
        ("2019-04", "2019-04"),
        ("NULL", None),
    ],
)
def test_texts_as_dates(text, time):
    """With slashes as QGIS writes dates into text files."""
    (found,) = to_times([text], "time", "obs")
    assert (found and str(found)) == time


@pytest.mark.parametrize("text", ["03/04/2019", "2019/04/033", "2019/4/3", "3.4.2019", "2019/13/01"])
def test_texts_that_are_anybodys_guess(text):
    with pytest.raises(InputError, match="must hold times, but row 1 holds"):
        to_times([text], "time", "obs")
