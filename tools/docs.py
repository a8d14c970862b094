"""Write the section 'Algorithms' of README.md from the algorithms: one heading with the id, the summary and a table of parameters for each."""

import re
import sys
from pathlib import Path

from qgis.core import QgsApplication

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
BEGIN, END = "<!-- algorithms: made by `make docs` -->", "<!-- end of algorithms -->"


def section(provider) -> str:
    """Return the Markdown of all algorithms."""
    lines = []
    for algorithm in sorted(provider.algorithms(), key=lambda item: (item.groupId(), item.name())):
        lines += [f"### {algorithm.name()}", "", f"**{algorithm.displayName()}** ({algorithm.group()}). {algorithm.shortDescription()}", ""]
        lines += ["| parameter | what it is |", "|---|---|"]
        for definition in algorithm.parameterDefinitions():
            optional = " *(optional)*" if definition.flags() & definition.Flag.FlagOptional else ""
            lines.append(f"| `{definition.name()}`{optional} | {cell(definition.help())} |")
        numbers = [
            f"`{output.name()}`" for output in algorithm.outputDefinitions() if output.type() in ("outputNumber", "outputBoolean", "outputString")
        ]
        lines += ["", *([f"Returns also: {', '.join(numbers)}.", ""] if numbers else [])]
    return "\n".join(lines)


def overview(provider) -> str:
    """Return a table of all algorithms with how to try them on the demo scene."""
    lines = ["| algorithm | what it does | on the demo scene |", "|---|---|---|"]
    for algorithm in sorted(provider.algorithms(), key=lambda item: (item.groupId(), item.name())):
        example = " ".join(
            f"{key}={item}" for key, value in getattr(algorithm, "EXAMPLE", {}).items() for item in (value if isinstance(value, list) else [value])
        )
        lines.append(f"| [`{algorithm.name()}`](#{algorithm.name()}) | {cell(algorithm.shortDescription())} | {f'`{example}`' if example else ''} |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return a help text for a table's cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    from algorithms.provider import register

    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    provider = register()
    made = f"{before}{BEGIN}\n\n{overview(provider)}\n{section(provider)}\n{END}{rest.partition(END)[2]}"
    if "--check" in sys.argv:
        if made != readme.read_text(encoding="utf-8"):
            raise SystemExit("README.md is behind the algorithms: run 'make docs'.")
    else:
        readme.write_text(made, encoding="utf-8")
        print("Wrote the algorithms into README.md")
    application.exitQgis()
