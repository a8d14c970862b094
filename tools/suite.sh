#!/usr/bin/env bash
# Tries the project in another Debian release: with its QGIS, its Python, its libraries. As root; needs debootstrap.
# usage: tools/suite.sh SUITE install               the zip, the lines that 'Check installation' prints, the first map
#        tools/suite.sh SUITE test [pytest arguments]   make test
#        tools/suite.sh SUITE shell [command]           look around, with the zip in the home of the plain user
# The release's system is made once (build/suites, or $SM_SUITES); every run works on a copy that is thrown away.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${1:?the name of a Debian release: bookworm, trixie, sid} job=${2:-test}
shift 2 || shift $#
[ "$(id -u)" = 0 ] || { echo "Run it as root: it makes a system of its own in a folder." >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 1; }
# All mounts are gone when this ends, whatever happens.
[ -n "${SM_OWN_MOUNTS:-}" ] || SM_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$suite" "$job" "$@"

folder=$(realpath -m "${SM_SUITES:-build/suites}")/$suite
base=$folder/base
mkdir -p "$folder"
enter() { # root folder, command: run a command in a system, without this one's environment
    local system=$1
    shift
    mountpoint -q "$system/proc" || mount -t proc proc "$system/proc"
    mountpoint -q "$system/dev" || mount --rbind /dev "$system/dev"
    grep -qs " $(hostname)$" "$system/etc/hosts" || echo "127.0.0.1 localhost $(hostname)" >>"$system/etc/hosts"
    cp -L /etc/resolv.conf "$system/etc/resolv.conf"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive TERM=dumb chroot "$system" "$@"
}
if [ ! -e "$folder/made" ]; then
    # What an earlier run left half done may lack anything.
    rm -rf --one-file-system "$base"
    debootstrap --variant=minbase "$suite" "$base" "${SM_MIRROR:-http://deb.debian.org/debian}"
    # This system's way to the network: proxies, certificates.
    cp -n /etc/apt/apt.conf.d/* "$base/etc/apt/apt.conf.d/"
    # What a user's desktop has: QGIS with its Python, a screen, sudo.
    enter "$base" apt-get update -q
    enter "$base" apt-get install -q -y --no-install-recommends qgis python3-qgis qgis-providers xvfb xauth sudo ca-certificates
    if [ -e /etc/pip.conf ]; then cp /etc/pip.conf "$base/etc/pip.conf"; fi
    mkdir -p "$base/usr/local/share/ca-certificates"
    cp -rn /usr/local/share/ca-certificates/. "$base/usr/local/share/ca-certificates/"
    enter "$base" update-ca-certificates >/dev/null
    enter "$base" useradd --create-home --shell /bin/bash analyst
    echo "analyst ALL=(ALL) NOPASSWD: ALL" >"$base/etc/sudoers.d/analyst"
    touch "$folder/made"
    umount -R "$base/proc" "$base/dev"
fi

run=$(mktemp -d "$folder/run.XXXXXX")
trap 'umount -R -l "$run/root" 2>/dev/null; rm -rf "$run"' EXIT
mkdir "$run/changed" "$run/work" "$run/root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$run/changed,workdir=$run/work" "$run/root"
version() { enter "$run/root" /usr/bin/python3 -c 'import sys, numpy; from qgis.core import Qgis; print(f"QGIS {Qgis.QGIS_VERSION}, Python {sys.version.split()[0]}, numpy {numpy.__version__}")'; }
echo "$suite: $(version)"
case $job in
install | shell)
    tools/package.sh
    cp dist/soil_moisture_toolbox-*.zip tools/first_map.py "$run/root/home/analyst/"
    if [ "$job" = install ]; then set -- 'python3 first_map.py soil_moisture_toolbox-*.zip'; fi
    enter "$run/root" sudo -u analyst -i bash ${1:+-c "$*"} ;;
test)
    mkdir "$run/root/srv/toolbox"
    git ls-files -z | tar --create --null --files-from=- | tar --extract --directory="$run/root/srv/toolbox"
    enter "$run/root" apt-get install -q -y --no-install-recommends make git >/dev/null
    enter "$run/root" make -C /srv/toolbox test ARGS="$*" ;;
*)
    echo "install, test or shell, not '$job'" >&2; exit 2 ;;
esac
