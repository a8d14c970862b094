"""The gate itself: that it sees what it is there for."""

import ast
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tool(name):
    """Load a script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "line",
    [
        "from PyQt5.QtCore import Qt",
        "dialog.exec_()",
        "kind = QVariant.Type.Double",
        "zone = Qt.UTC",
        "kind = QgsProcessing.TypeRaster",
        "moment = QDateTime(2018, 6, 1, 0, 0, 0, 0, Qt.TimeSpec.UTC)",
    ],
)
def test_what_qt6_lacks_is_seen(line):
    assert [number for number, _ in tool("lint_qt6").faults(f"a = 1\n{line}\n")] == [2]


def test_what_qt6_has_passes():
    lint = tool("lint_qt6")
    good = (
        "from qgis.PyQt.QtCore import Qt\nkind = QVariant.Double\nzone = Qt.TimeSpec.UTC\nversion = "
        "Qgis.QGIS_VERSION\nold = QgsX.ModeY  # qt6: kept\n"
    )
    assert list(lint.faults(good)) == [] and lint.main([]) == 0


def test_the_rules_of_the_repository_of_plugins(tmp_path):
    lint = tool("lint_package")
    for package in ("flake8", "bandit"):
        pytest.importorskip(package)
    (tmp_path / "metadata.txt").write_text("[general]\nname=x\n")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "code.py").write_text(
        "import subprocess\nsubprocess.call(input(), shell=True)\nprint(nowhere)\npassword = 'hunter2hunter2'\n"
    )
    (tmp_path / "resources" / "models").mkdir(parents=True)
    (tmp_path / "resources" / "models" / "watch.model3").write_text("")
    (tmp_path / "help").mkdir()
    (tmp_path / "help" / "page.html").write_text(
        '<a href="there%20not.html#x">a</a><a href="page.html?v=1">b</a><img src="https://a.b/c.png"><script></script>'
    )
    found = "\n".join(lint.faults(tmp_path))
    for words in (
        "help: no page of watch",
        "leads to there%20not.html, which is not there",
        "page.html: loads https://a.b/c.png",
        "page.html: a script",
        "no repository",
        "LICENSE is missing",
        "run.sh: no file of this kind",
        "run.sh: a script",
        "F821",
        "B602",
        "looks like a secret",
    ):
        assert words in found, f"{words} in {found}"
    assert "page.html, which is not there" not in found


def test_pages_for_the_help_button_need_neither_scripts_nor_pictures_of_their_own(tmp_path):
    page = tmp_path / "site" / "docs" / "page.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        '<link href="../_static/styles/s.css?v=1"><script>\n1\n</script><script src="../_static/s.js"></script>'
        '<form class="sidebar-search-container"><input></form><img src="../_images/a.png"> '
        '<a class="reference download internal" href="../_downloads/n.ipynb"><span>n</span></a>'
    )
    (tmp_path / "site" / "search.html").write_text("")
    (tmp_path / "site" / "_static" / "styles").mkdir(parents=True)
    (tmp_path / "site" / "_static" / "styles" / "s.css").write_text("a")
    (tmp_path / "site" / "_static" / "s.js").write_text("b")
    tool("help_pages").make_help_pages(tmp_path / "site", tmp_path)
    made = tmp_path / "help"
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == {
        "docs/page.html",
        "_static/styles/s.css",
    }
    assert (made / "docs" / "page.html").read_text() == (
        '<link href="../_static/styles/s.css?v=1"><img src="../../resources/images/a.png"> <span>n</span>'
    )


def test_install_finds_the_profiles_of_both_versions(tmp_path):
    profiles = [tmp_path / "QGIS" / version / "profiles" / "default" for version in ("QGIS3", "QGIS4")]
    for profile in profiles:
        profile.mkdir(parents=True)
    script = (
        (ROOT / "tools" / "install.sh")
        .read_text()
        .replace('cd "$(dirname "$0")/.."', f'cd "{ROOT}"')
        .replace("/usr/bin/python3 tools/copy_libraries.py", "true")
    )
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert all((profile / "python" / "plugins" / "soil_moisture_toolbox").is_symlink() for profile in profiles)


def test_make_help_lists_every_target():
    if shutil.which("make") is None:
        pytest.skip("make is not here")
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (targets,) = (line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:"))
    assert {line.split()[0] for line in listed.splitlines()} == set(targets.split()[1:])


def test_the_code_in_the_documentation_names_what_is_there():
    seen = 0
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("sm_toolbox"):
                    module = importlib.import_module(node.module)
                    missing = [name.name for name in node.names if not hasattr(module, name.name)]
                    assert not missing, f"{page.name}: {node.module} has no {missing}"
                    seen += 1
    assert seen


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} leads to {target}"


def test_paths_that_the_documentation_names_are_there():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]:
        for path in re.findall(
            r"`((?:sm_toolbox|algorithms|tests|tools|benchmarks|resources)/[\w./]+)`", page.read_text(encoding="utf-8")
        ):
            assert (ROOT / path).exists(), f"{page.name} names {path}"


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150 and len(text.encode()) <= 12_000
