#!/bin/sh
# Every header compiles alone, as C and as C++. usage: test_headers.sh ROOT
set -eu
cd "$1"
failed=0
for header in $(find src include -name '*.h' ! -path '*/tables/*' ! -name banned.h | sort); do
    case $header in
    *_tile.h) continue ;; # text for two files, not a header of its own
    src/kernel/avx*|src/kernel/x86.h) flags="-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq" ;;
    *) flags="" ;;
    esac
    # shellcheck disable=SC2086
    gcc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror $flags -Isrc -Iinclude -include "$header" -fsyntax-only -xc /dev/null || failed=1
    case $header in
    src/kernel/kernels.h | src/kernel/peak.h | src/kernel/plain.h) ;;
    src/kernel/*) continue ;; # inside the room: intrinsics and restrict, C alone
    esac
    # shellcheck disable=SC2086
    g++ -std=gnu++17 -Wall -Wextra -Werror -Wno-missing-field-initializers $flags -Isrc -Iinclude -include "$header" -fsyntax-only -xc++ /dev/null || failed=1
done
exit $failed
