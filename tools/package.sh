#!/usr/bin/env bash
# Makes the zip for plugins.qgis.org, with the pages of the site for the Help button: dist/soil_moisture_toolbox-VERSION.zip
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version=//p' metadata.txt)
science=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' sm_toolbox/__init__.py)
[ "$version" = "$science" ] || { echo "metadata.txt says version $version, sm_toolbox says $science. Make them the same." >&2; exit 1; }
tools/site.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/soil_moisture_toolbox" dist
cp -r __init__.py plugin.py metadata.txt LICENSE README.md CHANGELOG.md requirements.txt sm_toolbox algorithms resources "$work/soil_moisture_toolbox/"
/usr/bin/python3 tools/help_pages.py build/site "$work/soil_moisture_toolbox"
find "$work" -name __pycache__ -type d -prune -exec rm -rf {} +
zip="$PWD/dist/soil_moisture_toolbox-$version.zip"
rm -f "$zip"
(cd "$work" && /usr/bin/python3 -m zipfile -c "$zip" soil_moisture_toolbox)
echo "Wrote dist/$(basename "$zip")"
