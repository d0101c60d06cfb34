#!/bin/sh
# What `make install` leaves is usable by a program that has never seen this tree: the public header
# compiles by itself as C99 and as C++, pkg-config finds the library, and the library shows nothing
# but the functions that the header marks for export, and all of those.
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

# What the preprocessor leaves of a marked declaration: __attribute__((visibility("default"))) int name(
# shellcheck disable=SC2086
cc -E -P user.c $flags | tr '\n;' ' \n' | sed -n 's/.*visibility("default")))\([^(]*\)(.*/\1/p' |
    sed 's/ *$//; s/.*[ *]//' | sort -u >marked
test "$(wc -l <marked)" -eq "$(grep -c '^CAIRN_API' "$header")" ||
    fail "not each mark in cairn.h stands before one function: $(tr '\n' ' ' <marked)"
! grep -v '^typedef' "$header" | grep -E '^[a-z].*[ *]cairn_[a-z0-9_]+\(' || fail "cairn.h declares this without a mark"
nm -D --defined-only "$lib" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u >exported
test -s exported || fail "libcairn exports nothing"
for name in $(comm -13 marked exported); do
    fail "libcairn shows $name, which cairn.h does not mark for export"
done
for name in $(comm -23 marked exported); do
    fail "cairn.h marks $name for export, and libcairn does not have it"
done
LD_LIBRARY_PATH=$(dirname "$lib") ./user || fail "a program linked with libcairn does not start"
