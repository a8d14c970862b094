"""Write a page for each algorithm, and an overview of all, from the algorithms themselves. usage: docs.py [--check]"""

import re
import shlex
import sys
from html import unescape
from pathlib import Path

from qgis.core import QgsApplication

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = ROOT / "docs" / "algorithms"


def page(algorithm) -> str:
    """Return the page of an algorithm."""
    lines = [
        f"# {algorithm.displayName()}",
        "",
        f"`smtoolbox:{algorithm.name()}` · {algorithm.group()}",
        "",
        cell(algorithm.shortDescription()),
        "",
    ]
    lines += [
        *paragraphs(getattr(algorithm, "DETAILS", "")),
        "## Parameters",
        "",
        "| label | key | what it is |",
        "|---|---|---|",
    ]
    destinations = {definition.name() for definition in algorithm.destinationParameterDefinitions()}
    for definition in algorithm.parameterDefinitions():
        if definition.name() not in destinations:
            lines.append(row(definition))
    lines += ["", "## Outputs", "", "| label | key | what it is |", "|---|---|---|"]
    lines += [row(definition) for definition in algorithm.parameterDefinitions() if definition.name() in destinations]
    for output in algorithm.outputDefinitions():
        if output.name() not in destinations:
            lines.append(f"| {cell(output.description())} | `{output.name()}` | returned |")
    words = example(algorithm)
    if words:
        lines += [
            "",
            "## Example",
            "",
            "On the demo scene:",
            "",
            "```sh",
            f"qgis_process run smtoolbox:{algorithm.name()} {words}",
            "```",
        ]
    return "\n".join(lines) + "\n"


def row(definition) -> str:
    """Return the line of a parameter."""
    optional = ", optional" if definition.flags() & definition.Flag.FlagOptional else ""
    return f"| {cell(definition.description())}{optional} | `{definition.name()}` | {cell(definition.help())} |"


def example(algorithm) -> str:
    """Return the parameters of an algorithm's example as a command has them."""
    given = getattr(algorithm, "EXAMPLE", {})
    words = [
        shlex.quote(f"--{key}={item}")
        for key, value in given.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    outputs = [
        f"--{definition.name()}={definition.name().lower()}{SUFFIXES[definition.type()]}"
        for definition in algorithm.destinationParameterDefinitions()
        if given and not definition.flags() & definition.Flag.FlagOptional
    ]
    return " ".join([*words, *outputs])


SUFFIXES = {"rasterDestination": ".tif", "sink": ".gpkg", "fileDestination": ".html", "folderDestination": ""}


def overview(algorithms) -> str:
    """Return the page that lists all algorithms by group."""
    lines = ["# Algorithms", ""]
    for group in dict.fromkeys(algorithm.group() for algorithm in algorithms):
        lines += [f"## {group}", "", "| algorithm | what it does |", "|---|---|"]
        for algorithm in algorithms:
            if algorithm.group() == group:
                lines.append(
                    f"| [{algorithm.displayName()}]({algorithm.name()}.md) | {cell(algorithm.shortDescription())} |"
                )
        lines.append("")
    return "\n".join(lines)


def paragraphs(html: str) -> list[str]:
    """Return the paragraphs and list items of a help text as Markdown."""
    blocks = [block.strip() for block in re.split(r"</?(?:p|ul|ol)>|</li>|(?=<li>)", html)]
    return [line for block in blocks if block for line in (markdown(block.replace("<li>", "- ", 1)), "")]


def cell(html: str) -> str:
    """Return a help text for a table's cell."""
    return markdown(html).replace("|", "\\|")


def markdown(html: str) -> str:
    """Return the line of a help text as Markdown: entities mean their signs, and signs of Markdown themselves."""
    line = ""
    for part in re.split(r"(<code>.*?</code>|</?[a-z]+>)", re.sub(r"\s+", " ", html)):
        if part.startswith("<code>"):
            line += f"`{unescape(part[6:-7])}`"
        elif part in MARKS:
            line += MARKS[part]
        else:
            line += unescape(part).replace("*", "\\*").replace("<", "&lt;")
    return line


MARKS = {
    **dict.fromkeys(("<b>", "</b>"), "**"),
    **dict.fromkeys(("<i>", "</i>"), "*"),
    **{tag: tag for tag in ("<sup>", "</sup>")},
}


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    from algorithms.provider import register

    algorithms = sorted(register().algorithms(), key=lambda item: (item.group(), item.displayName()))
    pages = {FOLDER / f"{algorithm.name()}.md": page(algorithm) for algorithm in algorithms} | {
        FOLDER / "index.md": overview(algorithms)
    }
    there = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    if "--check" in sys.argv:
        behind = sorted(path.name for path in {*pages, *there} if pages.get(path) != there.get(path))
        if behind:
            raise SystemExit(f"Behind the algorithms: {', '.join(behind)}. Run 'make docs'.")
    else:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path in there.keys() - pages.keys():
            path.unlink()
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        print(f"Wrote {len(pages)} pages into docs/algorithms")
    application.exitQgis()
