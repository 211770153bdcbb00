#!/bin/sh
# Install what raga needs on Debian 12: `deps.sh build` to build and run, `deps.sh test` for the tests as well.
# Only what is missing is installed, and it says what. --dry-run only says it.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libpcre2-dev libutf8proc-dev libedit-dev libsqlite3-dev libjpeg62-turbo-dev libpng-dev libcurl4-openssl-dev libssl-dev libmicrohttpd-dev"
tests="g++ clang libclang-rt-14-dev libcmocka-dev python3"

mode=build
dry=no
for word in "$@"; do
    case $word in
    build | test) mode=$word ;;
    --dry-run) dry=yes ;;
    --help)
        echo "usage: tools/deps.sh [build|test] [--dry-run]"
        exit 0
        ;;
    *)
        echo "tools/deps.sh: unknown argument $word (usage: tools/deps.sh [build|test] [--dry-run])" >&2
        exit 2
        ;;
    esac
done
wanted=$build
[ "$mode" = test ] && wanted="$build $tests"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "tools/deps.sh: this is no Debian. Install by hand what matches: $wanted" >&2
    exit 1
fi
missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    exit 0
fi
echo "installing:$missing"
[ "$dry" = yes ] && exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "tools/deps.sh: run it as root, or install sudo; missing:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$as_root apt-get -qq update
# shellcheck disable=SC2086
$as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
