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
# Beside, never over: what the profile already has stays as it is, and pip's own machinery is left out.
for item in .venv/lib/python3*/site-packages/*; do
    case "$(basename "$item")" in
        pip | pip-* | setuptools | setuptools-* | pkg_resources | _distutils_hack | distutils-precedence.pth | __pycache__) continue ;;
    esac
    [ -e "$profile/python/$(basename "$item")" ] || cp -r "$item" "$profile/python/"
done
echo "Installed into $profile"
echo "Start QGIS, enable 'Soil Moisture Toolbox' in Plugins > Manage and Install Plugins, and run 'Check installation' in the Processing toolbox."
