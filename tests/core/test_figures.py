"""Figures show any name as it is, and pages can be read everywhere."""

import numpy as np
import pytest

from sm_toolbox.report import figures
from sm_toolbox.report.page import Page

NAME = r"$\\frac{4$_^"
VALUES = np.array([0.1, 0.4, 0.2])
TIMES = np.array(["2020-06-01", "2020-06-02", "2020-06-03"], "datetime64[s]")


@pytest.mark.parametrize(
    "figure",
    [
        lambda: figures.scatter(VALUES, VALUES, NAME, "n = 3"),
        lambda: figures.bars([NAME, "b", "$c$"], VALUES, VALUES, NAME),
        lambda: figures.boxes({NAME: VALUES, "$b$": VALUES}, NAME),
        lambda: figures.distributions({NAME: VALUES, "$b$": VALUES}, NAME),
        lambda: figures.series(TIMES, VALUES, VALUES, NAME),
        lambda: figures.maps([(NAME, np.ones((3, 3)))], NAME),
        lambda: figures.classes(np.zeros((3, 3)), [NAME, "$b$"]),
    ],
    ids=["scatter", "bars", "boxes", "distributions", "series", "maps", "classes"],
)
def test_names_that_look_like_formulas(figure):
    page = Page("t")
    page.figure(figure(), NAME)
    assert "data:image/png" in page.html()


def test_a_page_brings_its_own_ground():
    """Its dark letters would stand on a dark one where QGIS or a browser has a dark theme."""
    assert "html { background: #fff;" in Page("t").html()


def test_lines_of_a_notice_stay_lines():
    page = Page("t")
    page.notice("a < b\nsecond")
    assert '<p class="notice">a &lt; b<br>second</p>' in page.html()


def test_heads_stand_over_their_columns():
    page = Page("t")
    page.table(("station", "kind", "n", "share"), [("a", "b", 3, 0.5), ("c", None, 4, None)])
    assert '<th class="text">station</th><th class="text">kind</th><th>n</th><th>share</th>' in page.html()
