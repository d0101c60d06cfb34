#!/bin/sh
# What `make install` leaves is usable by a program that has never seen this tree: the public header
# compiles by itself as C99 and as C++, pkg-config finds the library, and the library shows nothing
# but functions that the header declares.
fail()
{
    echo "$*"
    exit 1
}

unset MAKEFLAGS MAKELEVEL MFLAGS
root=$PWD/root
make -C "$BUILD" -s --no-print-directory install DESTDIR="$root" >install.log 2>&1 ||
    { cat install.log && fail "make install failed"; }

lib=$(find "$root" -name 'libcairn.so')
pc=$(find "$root" -name 'cairn.pc')
header=$(find "$root" -name 'cairn.h')
for found in "$lib" "$pc" "$header"; do
    test -n "$found" || fail "libcairn.so, cairn.pc or cairn.h is not installed"
done
test -n "$(find "$root" -name 'cairn' -type f)" || fail "the cairn command is not installed"
test -n "$(find "$root" -name 'cairnd' -type f)" || fail "cairnd is not installed"

# The prefix is that of the final place: say where it lies now.
prefix=$(sed -n 's/^prefix=//p' "$pc")
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$root$prefix" \
    --cflags --libs cairn) || fail "pkg-config does not know cairn"

printf '#include <cairn.h>\n#include <cairn.h>\nint main(void) { return 0; }\n' >user.c
cp user.c user.cc
strict="-Wall -Wextra -Wstrict-prototypes -Werror"
# shellcheck disable=SC2086
cc -std=c99 -pedantic $strict user.c -o user $flags || fail "cairn.h is not clean C99"
# shellcheck disable=SC2086
c++ -std=c++11 -Wall -Wextra -Werror user.cc -o user $flags || fail "cairn.h is not clean C++"

nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' >exported
while read -r name; do
    grep -q "[ *]$name(" "$header" || fail "libcairn shows $name, which cairn.h does not declare"
done <exported
LD_LIBRARY_PATH=$(dirname "$lib") ./user || fail "a program linked with libcairn does not start"
