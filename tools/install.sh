#!/usr/bin/env bash
# Links the plugin into QGIS profiles and copies the libraries it needs beside it, where QGIS's Python finds them.
# usage: tools/install.sh [profile-folder ...], without one the default profiles of QGIS 3 and QGIS 4 that are there
set -euo pipefail
cd "$(dirname "$0")/.."
profiles=("$@")
if [ ${#profiles[@]} -eq 0 ]; then
    for data in "${XDG_DATA_HOME:-$HOME/.local/share}" "$HOME/Library/Application Support"; do
        for version in QGIS3 QGIS4; do
            [ -d "$data/QGIS/$version/profiles/default" ] && profiles+=("$data/QGIS/$version/profiles/default")
        done
    done
fi
# QGIS has not been started yet: it makes the profile of its own version and finds the plugin there.
if [ ${#profiles[@]} -eq 0 ]; then
    version=$(/usr/bin/python3 -c 'from qgis.core import Qgis; print(Qgis.QGIS_VERSION.split(".")[0])' 2>/dev/null || echo 3)
    profiles=("${XDG_DATA_HOME:-$HOME/.local/share}/QGIS/QGIS$version/profiles/default")
fi
for profile in "${profiles[@]}"; do
    mkdir -p "$profile/python/plugins"
    target="$profile/python/plugins/soil_moisture_toolbox"
    if [ -e "$target" ] && [ ! -L "$target" ]; then
        echo "'$target' is there already and is no link. Remove the installed plugin in QGIS first (Plugins > Manage and Install Plugins)." >&2
        exit 1
    fi
    ln -sfn "$PWD" "$target"
    /usr/bin/python3 tools/copy_libraries.py "$profile/python"
    echo "Installed into $profile"
done
echo "Start QGIS, enable 'Soil Moisture Toolbox' in Plugins > Manage and Install Plugins, and run 'Check installation' in the Processing toolbox."
