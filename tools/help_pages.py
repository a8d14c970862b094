"""Make of the site the pages that the zip holds for the Help button. usage: help_pages.py site plugin

They do without scripts and search, and take their pictures from the plugin's own.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

# Each with what stands in its place.
WITHOUT = (
    (r"<script\b.*?</script>", ""),
    (r'<link rel="search"[^>]*>', ""),
    (r'<form class="sidebar-search-container".*?</form>', ""),
    # Notebooks are no part of the plugin.
    (r'<a class="reference download[^>]*>(.*?)</a>', r"\1"),
    (r'(?<=")((?:\.\./)*)_images/', r"\1../resources/images/"),
)


def make_help_pages(site: Path, plugin: Path) -> None:
    """Write the pages into the plugin's folder `help`, with the styles that they use."""
    styles = set()
    for page in sorted(site.rglob("*.html")):
        name = page.relative_to(site)
        if name.parts == ("search.html",):
            continue
        text = page.read_text(encoding="utf-8")
        for pattern, instead in WITHOUT:
            text = re.sub(pattern, instead, text, flags=re.S)
        styles.update(re.findall(r'"(?:\.\./)*(_static/[^"?]+)', text))
        target = plugin / "help" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for style in styles:
        target = plugin / "help" / style
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(site / style, target)


if __name__ == "__main__":
    make_help_pages(Path(sys.argv[1]), Path(sys.argv[2]))
