#!/usr/bin/env bash
# Links the plugin into a QGIS profile and copies the libraries it needs beside it, where QGIS's Python finds them.
# usage: tools/install.sh profile-folder
set -euo pipefail
cd "$(dirname "$0")/.."
profile=$1
mkdir -p "$profile/python/plugins"
target="$profile/python/plugins/soil_moisture_toolbox"
if [ -e "$target" ] && [ ! -L "$target" ]; then
    echo "'$target' is there already and is no link. Remove the installed plugin in QGIS first (Plugins > Manage and Install Plugins)." >&2
    exit 1
fi
ln -sfn "$PWD" "$target"
/usr/bin/python3 tools/copy_libraries.py "$profile/python"
echo "Installed into $profile"
echo "Start QGIS, enable 'Soil Moisture Toolbox' in Plugins > Manage and Install Plugins, and run 'Check installation' in the Processing toolbox."
