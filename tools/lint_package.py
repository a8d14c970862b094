"""Hold the zip for plugins.qgis.org to that repository's rules. usage: lint_package.py zip

The repository refuses plugins with code that flake8 finds broken, findings of bandit of high severity, secrets,
binaries and metadata that lack something; what it would say after the upload is said here.
"""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

CRITICAL = "E9,F63,F7,F82"
METADATA = (
    "name",
    "qgisMinimumVersion",
    "description",
    "about",
    "version",
    "author",
    "email",
    "repository",
    "tracker",
    "homepage",
    "license",
    "tags",
)
# What a plugin is made of; everything else is a script, a binary or a leftover.
SUFFIXES = {".py", ".txt", ".md", ".svg", ".png", ".qml", ".model3", ".html", ".css", ""}
_SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|gh[pousr]_[A-Za-z0-9]{36}|"
    r"(?i:password|passwd|secret|api_?key|token)\s*=\s*[\"'][^\"'\s]{8,}[\"']"
)


def faults(folder: Path) -> Iterator[str]:
    """Yield what is wrong with an unpacked plugin."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink():
            yield f"{name}: a link"
        if not path.is_file():
            continue
        if path.suffix not in SUFFIXES or (not path.suffix and path.name != "LICENSE"):
            yield f"{name}: no file of this kind belongs into the plugin"
        if any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            yield f"{name}: hidden, or a leftover of Python"
        content = path.read_bytes()
        if path.suffix != ".png":
            if b"\0" in content:
                yield f"{name}: a binary"
            for found in _SECRET.finditer(content.decode("utf-8", "replace")):
                yield f"{name}: looks like a secret: {found[0][:40]}"
        if content.startswith(b"#!"):
            yield f"{name}: a script"
    yield from _metadata(folder)
    yield from _help(folder)
    yield from _output([sys.executable, "-m", "flake8", "--isolated", f"--select={CRITICAL}", "."], folder)
    yield from _output([sys.executable, "-m", "bandit", "-q", "-r", "-lll", "-f", "txt", "."], folder)


def _metadata(folder: Path) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(folder / "metadata.txt", encoding="utf-8")
    if not parser.has_section("general"):
        yield "metadata.txt: missing, or without [general]"
        return
    for key in METADATA:
        if not parser.get("general", key, fallback="").strip():
            yield f"metadata.txt: no {key}"
    icon = parser.get("general", "icon", fallback="")
    if icon and not (folder / icon).is_file():
        yield f"metadata.txt: the icon {icon} is not there"
    if not (folder / "LICENSE").is_file():
        yield "LICENSE is missing"


def _help(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the pages of the Help button."""
    pages = folder / "help" / "docs" / "algorithms"
    algorithms = [path for path in folder.glob("algorithms/*/*.py") if "\nclass Algorithm(" in path.read_text("utf-8")]
    for name in sorted(path.stem for path in (*algorithms, *folder.glob("resources/models/*.model3"))):
        page = pages / f"{name}.html"
        if not page.is_file() or f"smtoolbox:{name}<" not in page.read_text("utf-8"):
            yield f"help: no page of {name}"
    for page in sorted(folder.glob("help/**/*.html")):
        name, text = page.relative_to(folder), page.read_text("utf-8")
        if "<script" in text:
            yield f"{name}: a script"
        for target in re.findall(r'(?:href|src)="([^"#?]+)', text):
            if re.match(r"\w+:", target):
                if not target.startswith("https://"):
                    yield f"{name}: leads to {target}"
            elif not (page.parent / unquote(target)).is_file():
                yield f"{name}: leads to {target}, which is not there"
        for target in re.findall(r'src="(\w+:[^"]+)', text):
            yield f"{name}: loads {target}"


def _output(command: list[str], folder: Path) -> Iterator[str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        yield (done.stdout + done.stderr).strip()


def main(path: str) -> int:
    """Unpack and check a zip; return the number of faults."""
    with tempfile.TemporaryDirectory() as work:
        with zipfile.ZipFile(path) as archive:
            tops = {name.split("/")[0] for name in archive.namelist()}
            archive.extractall(work)
        found = [] if len(tops) == 1 else [f"the zip must hold one folder, not {', '.join(sorted(tops))}"]
        for top in sorted(tops):
            found += faults(Path(work) / top)
    print("\n".join(found) if found else f"{Path(path).name}: fit for plugins.qgis.org")
    return len(found)


if __name__ == "__main__":
    raise SystemExit(1 if main(sys.argv[1]) else 0)
