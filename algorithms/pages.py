"""The pages behind the Help button, and the addresses that metadata.txt states."""

from __future__ import annotations

import configparser
from functools import cache
from pathlib import Path

from qgis.PyQt.QtCore import QUrl

ROOT = Path(__file__).parent.parent
# In the zip, and where `make docs` puts them in a checkout.
BUILT = ("help", "build/site")


def help_url(name: str) -> str:
    """Return the address of an algorithm's page: the built one, which needs no network, else its source on the web.

    Parameters
    ----------
    name : str
        Of the algorithm, without the provider.
    """
    for folder in BUILT:
        page = ROOT / folder / "docs" / "algorithms" / f"{name}.html"
        if page.is_file():
            # QGIS makes a QUrl of the text again: a space, an umlaut or # in the path must come encoded.
            return bytes(QUrl.fromLocalFile(str(page)).toEncoded()).decode()
    return f"{metadata('homepage')}/blob/main/docs/algorithms/{name}.md"


@cache
def metadata(key: str) -> str:
    """Return an entry of metadata.txt."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "metadata.txt", encoding="utf-8")
    return parser["general"][key]
