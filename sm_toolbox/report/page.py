"""A self-contained HTML page: text, tables and figures in one file."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sm_toolbox.errors import OutputError
from sm_toolbox.files import check_output, put_in_place, remove_quietly, temporary_name
from sm_toolbox.metrics import MOISTURE_UNIT
from sm_toolbox.progress import SILENT, Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
html { background: #fff; color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2a30; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1 { font-size: 1.7rem; border-bottom: 3px solid #2b7a9b; padding-bottom: .3rem; }
h2 { font-size: 1.25rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .6rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d5dde0; text-align: right; }
th { background: #eef4f6; } th:first-child, td:first-child { text-align: left; } th.text, td.text { text-align: left; }
figure { margin: 1rem 0; } figure img { max-width: 100%; } figcaption { color: #51636b; font-size: .9rem; }
figure.half { display: inline-block; width: 49%; vertical-align: top; margin: .5rem 0; }
@media (max-width: 45rem) { figure.half { width: 100%; } }
table.sortable th { cursor: pointer; } table.sortable th::after { content: " ↕"; color: #8a979c; }
.notice { border-left: 4px solid #2b7a9b; background: #eef4f6; padding: .6rem 1rem; margin: .8rem 0; }
.warning { border-color: #c9772b; background: #fbf3ea; }
.scroll { overflow-x: auto; max-height: 30rem; overflow-y: auto; }
footer { margin-top: 3rem; color: #51636b; font-size: .85rem; }
"""

# A click on a head sorts by its column, a second one the other way round; without scripts the table is as it is.
_SORTING = """<script>
document.querySelectorAll("table.sortable th").forEach(function (head) {
  head.addEventListener("click", function () {
    var table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
    var down = table.dataset.column == column && table.dataset.down != "1";
    table.dataset.column = column; table.dataset.down = down ? "1" : "0";
    function key(row) { var value = row.cells[column].dataset.value; return value === undefined ? null : +value; }
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b);
      if (x === null && y === null) {
        var order = a.cells[column].textContent.localeCompare(b.cells[column].textContent);
        return down ? -order : order;
      }
      if (x === null || y === null) { return x === null ? 1 : -1; }
      return down ? y - x : x - y;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
</script>"""


def in_unit(text: str, unit: str) -> str:
    """Return a text about soil moisture in another unit than m³ m⁻³.

    Parameters
    ----------
    text : str
    unit : str
        "" where it is not known: then none is named.

    Returns
    -------
    str
    """
    if unit == MOISTURE_UNIT or MOISTURE_UNIT not in text:
        return text
    if unit:
        return text.replace(MOISTURE_UNIT, unit)
    text = text.replace(f"are in {MOISTURE_UNIT}", "are in the unit of the observations")
    return re.sub(rf" ?[(\[]{MOISTURE_UNIT}[)\]]| ?{MOISTURE_UNIT}", "", text)


class Page:
    """A report under construction.

    Parameters
    ----------
    title : str
    subtitle : str, optional
    progress : Progress, optional
        Asked for Cancel while figures are drawn.
    unit : str, optional
        Of the quantity that the report is about; where it is another than m³ m⁻³ this stands in its place, and nothing
        where it is "" (not known).
    """

    def __init__(self, title: str, subtitle: str = "", progress: Progress = SILENT, unit: str = MOISTURE_UNIT):
        self._title, self._progress, self._unit = title, progress, unit
        self._parts = [f"<h1>{escape(title)}</h1>"]
        self._sorts = False
        if subtitle:
            self._parts.append(f"<p>{escape(subtitle)}</p>")

    def heading(self, text: str) -> None:
        """Start a section.

        Parameters
        ----------
        text : str
        """
        self._progress.check()
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph.

        Parameters
        ----------
        text : str
        """
        self._parts.append(f"<p>{escape(in_unit(text, self._unit))}</p>")

    def notice(self, text: str, warning: bool = False) -> None:
        """Add a paragraph that stands out.

        Parameters
        ----------
        text : str
            Its lines stay lines.
        warning : bool, optional
            Whether it is one, in another colour.
        """
        lines = "<br>".join(escape(in_unit(text, self._unit)).splitlines())
        self._parts.append(f'<p class="notice{" warning" if warning else ""}">{lines}</p>')

    def lines(self, lines: Iterable[str]) -> None:
        """Add lines as they are, to be copied one by one.

        Parameters
        ----------
        lines : iterable of str
        """
        self._parts.append("<pre>" + "\n".join(escape(line) for line in lines) + "</pre>")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]], sortable: bool = False) -> None:
        """Add a table; numbers are rounded to what can be told apart.

        Parameters
        ----------
        head : sequence of str
        rows : iterable of sequence
            Numbers, text or None.
        sortable : bool, optional
            Whether a click on a head sorts by its column; then numbers sort as they are, not as they are rounded.
        """
        self._sorts |= sortable
        listed = [list(row) for row in rows]
        body = "".join(f"<tr>{''.join(_cell(value, sortable) for value in row)}</tr>" for row in listed)
        columns = list(zip(*listed)) or [()] * len(head)
        names = "".join(_head(in_unit(name, self._unit), column) for name, column in zip(head, columns))
        kind = ' class="sortable"' if sortable else ""
        self._parts.append(
            f'<div class="scroll"><table{kind}><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'
        )

    def figure(self, figure: Figure, caption: str, half: bool = False) -> None:
        """Add a figure as an inline PNG; Cancel is checked while it is drawn.

        Parameters
        ----------
        figure : Figure
        caption : str
        half : bool, optional
            Whether two of its kind stand abreast where the window is wide enough.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        check = self._progress.check

        class Canvas(FigureCanvasAgg):
            def get_renderer(self, *arguments: Any, **more: Any) -> Any:
                renderer = super().get_renderer(*arguments, **more)
                # Lines, texts and axes each open a group, which a raster image ignores.
                renderer.open_group = lambda *_, **__: check()  # type: ignore[method-assign]
                return renderer

        check()
        if self._unit != MOISTURE_UNIT:
            from matplotlib.text import Text

            caption = in_unit(caption, self._unit)
            for text in figure.findobj(Text):
                text.set_text(in_unit(text.get_text(), self._unit))
        data = io.BytesIO()
        Canvas(figure).print_figure(data, format="png", dpi=110, bbox_inches="tight")
        image = base64.b64encode(data.getvalue()).decode("ascii")
        kind = ' class="half"' if half else ""
        self._parts.append(
            f'<figure{kind}><img alt="{escape(caption)}" '
            f'src="data:image/png;base64,{image}"><figcaption>{escape(caption)}</figcaption></figure>'
        )

    def html(self) -> str:
        """Return the page."""
        body = "\n".join(self._parts)
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style></head>\n"
            f"<body>{body}<footer>Soil Moisture Toolbox</footer>{_SORTING if self._sorts else ''}</body></html>\n"
        )

    def write(self, path: str, in_words: Callable[[str], str] = str) -> None:
        """Write the page, whole or not at all.

        Parameters
        ----------
        path : str
        in_words : callable, optional
            Puts the page in the words of whoever reads it: arguments, which warnings name in backticks, have other
            names in QGIS.

        Raises
        ------
        OutputError
            Where the file cannot be written.
        """
        check_output(path)
        temporary = temporary_name(path)
        try:
            Path(temporary).write_text(in_words(self.html()), encoding="utf-8")
        except OSError as error:
            remove_quietly(temporary)
            raise OutputError(
                f"The report '{path}' could not be written ({error.strerror or error}). Check the free space of "
                "the disk."
            ) from error
        put_in_place(temporary, path)


def _head(name: str, column: Sequence[Any]) -> str:
    """Write the head of a column, on the side where its values stand."""
    is_text = column and all(isinstance(value, (str, type(None))) for value in column)
    return f'<th class="text">{escape(name)}</th>' if is_text else f"<th>{escape(name)}</th>"


def _cell(value: Any, sortable: bool = False) -> str:
    sorts = sortable and isinstance(value, (int, float, np.number)) and np.isfinite(value)
    key = f' data-value="{float(value):.9g}"' if sorts else ""
    if isinstance(value, (float, np.floating)):
        return f"<td{key}>{number(float(value))}</td>"
    if isinstance(value, (int, np.integer)):
        return f"<td{key}>{value:,}</td>"
    return f'<td class="text">{escape("–" if value is None else str(value))}</td>'


def number(value: float) -> str:
    """Write a number with three decimals, more where it is small; a dash where it is not a number.

    Parameters
    ----------
    value : float

    Returns
    -------
    str
    """
    if not np.isfinite(value):
        return "–"
    return f"{value:.3f}" if abs(value) >= 0.1 or value == 0 else f"{value:.4f}"
