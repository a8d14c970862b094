"""The site: Sphinx and MyST over docs/, CONTRIBUTING.md and CHANGELOG.md; `make docs` builds it."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

project = "Soil Moisture Toolbox"
author = "Soil Moisture Toolbox developers"
release = version = re.search(r"^version=(.+)$", (ROOT / "metadata.txt").read_text(encoding="utf-8"), re.M)[1]

# From the root, so that links to pages and pictures are the same here and in the repository.
root_doc = "docs/index"
include_patterns = ["docs/**", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["**/.*", ".*", "build", "demo", "dist", "tests"]
extensions = ["myst_parser"]
# As the repository makes anchors of headings.
myst_heading_anchors = 3
# What people copy keeps its quotes and dashes.
smartquotes = False

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "../resources/icons/smtoolbox.svg"
# Sends on from the root to docs/index.html.
html_extra_path = ["_root"]
html_copy_source = False
html_use_index = False
html_show_copyright = False
# Excerpts come by requests, which browsers refuse to pages on a disk.
html_show_search_summary = False


def setup(app):
    app.connect("source-read", add_contents)


def add_contents(app, docname, source):
    """Add to the pages that list others in tables what Sphinx makes its contents of: a part for each heading."""
    if not docname.endswith("/index"):
        return
    for heading, section in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", source[0], re.M):
        lines = ["", "```{toctree}", ":hidden:", f":caption: {heading}", ""]
        for title, page in re.findall(r"^\| \[(.+?)\]\((.+?)\.md\)", section, re.M):
            lines.append(f"{title} <{posixpath.normpath(f'/{posixpath.dirname(docname)}/{page}')}>")
        source[0] += "\n".join([*lines, "```", ""])
