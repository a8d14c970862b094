#!/usr/bin/env bash
# Installs what the project needs and is missing: QGIS and rasterio from the distribution, and pyproj, with which tests
# compare; the rest from PyPI into .venv.
# usage: tools/setup.sh [dev]
set -euo pipefail
cd "$(dirname "$0")/.."
python=/usr/bin/python3
# Libraries of another environment must not count as installed here.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
wanted=${1:-run}

if ! command -v apt-get >/dev/null; then
    if ! "$python" -c 'import qgis.core, rasterio, pyproj, venv' 2>/dev/null; then
        cat >&2 <<'TEXT'
This script installs by itself only on Debian and Ubuntu. Here, install with your package manager, so that /usr/bin/python3 can import them:
  - QGIS 3.22 or newer with its Python bindings (qgis, python3-qgis) and qgis_process
  - rasterio and pyproj from the same source as QGIS (python3-rasterio, python3-pyproj)
  - Python's venv module
  Fedora:  sudo dnf install qgis python3-qgis python3-rasterio python3-pyproj
  Arch:    sudo pacman -S qgis python-rasterio python-pyproj
  Windows and macOS: make is not needed there; see "Install" in README.md.
Then run the same command again.
TEXT
        exit 1
    fi
else
    missing=()
    for package in qgis python3-qgis qgis-providers python3-rasterio python3-pyproj python3-matplotlib python3-scipy python3-venv ca-certificates; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        as_root=()
        if [ "$(id -u)" -ne 0 ]; then
            command -v sudo >/dev/null || { echo "Missing: ${missing[*]}. Install them as root: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }
            as_root=(sudo)
        fi
        echo "Installing from the distribution: ${missing[*]}"
        "${as_root[@]}" apt-get update -q
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
fi

# The libraries are put beside, never over, what QGIS's Python has: numpy 2 next to modules compiled for numpy 1 fails.
numpy=$("$python" -c 'import numpy; print(numpy.__version__)')
files=(requirements.txt)
if [ "$wanted" = dev ]; then files+=(requirements-dev.txt); fi
stamp=".venv/installed-$wanted"
state=$(cat "${files[@]}" tools/setup.sh | sha256sum | cut -c1-16)-$("$python" -c 'import sys; print(sys.version.split()[0])')-$numpy
if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then exit 0; fi
echo "Installing Python libraries into .venv (numpy stays at $numpy)"
[ -x .venv/bin/python ] || "$python" -m venv --system-site-packages .venv
echo "numpy==$numpy" > .venv/constraints.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv/constraints.txt $(printf -- '--requirement %s ' "${files[@]}")
# In a folder of its own, away from QGIS's PyQt: the tests that look ahead to QGIS 4 take it from there.
if [ "$wanted" = dev ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --target .qt6 --upgrade PyQt6 || echo "PyQt6 is not to be had: the tests under Qt 6 are skipped"
fi
echo "$state" > "$stamp"
