"""Copy the libraries of requirements.txt, and what they need, from .venv into a folder. usage: copy_libraries.py folder

Beside, never over: what the folder or QGIS's Python already has stays as it is, and development tools are left out.
"""

import re
import shutil
import sys
from importlib.metadata import Distribution, PackagePath, distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
installed: dict[str, Distribution] = {
    re.sub(r"[-_.]+", "-", item.metadata["Name"]).lower(): item
    for item in distributions(path=[str(path) for path in (ROOT / ".venv").glob("lib/python3*/site-packages")])
}


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """Return the distributions that requirements lead to, by name; those that .venv does not have come with QGIS."""
    found: dict[str, Distribution] = {}
    waiting = list(requirements)
    while waiting:
        text = waiting.pop().split("#")[0].strip()
        name = re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", text)[0]).lower()
        if not name or "extra ==" in text or name in found or name not in installed:
            continue
        found[name] = installed[name]
        waiting += installed[name].requires or []
    return found


def copy(file: PackagePath, target: Path) -> None:
    """Copy one file of a distribution; scripts outside the libraries' folder are left out."""
    if ".." in file.parts or "__pycache__" in file.parts:
        return
    place = target.joinpath(*file.parts)
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(str(file.locate()), place)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    closure = needed((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    for item in closure.values():
        for path in item.files or []:
            copy(path, folder)
    print(f"Libraries: {', '.join(sorted(closure))}")
