#!/bin/sh
# The lint checks see what they are for: each rule broken in a small tree is reported with its place.
lint=$SRCDIR/tests/lint
SRCDIR=$PWD/tree
export SRCDIR
mkdir -p tree/core/base tree/core/osd tree/s3 && cd tree || exit 1

# expect CHECK TEXT: the check fails, and says so.
expect()
{
    if out=$("$lint/$1"); then
        echo "$1 passed, but should have said: $2"
        exit 1
    fi
    case $out in
    *"$2"*) ;;
    *)
        echo "$1 should have said: $2"
        echo "it said: $out"
        exit 1
        ;;
    esac
}

printf '#include <stdint.h>\n' >core/base/buf.h
printf '#include "core/base/buf.h"\n' >core/osd/pg.h
for check in layers words length; do
    "$lint/check_$check" || { echo "check_$check refused a clean tree" && exit 1; }
done

printf '\n#include "core/osd/pg.h"\n' >core/base/up.c
expect check_layers 'core/base/up.c:2: core/base may not include "core/osd/pg.h"'
rm core/base/up.c
printf '#  include "core/osd/pg.h"\n' >s3/in.c
expect check_layers 's3/in.c:1: s3 may not include "core/osd/pg.h"'
printf '#include "pg.h"\n' >s3/in.c
expect check_layers 's3/in.c:1: "pg.h" is not written from the root'
printf '#include "core/base/gone.h"\n' >s3/in.c
expect check_layers 's3/in.c:1: "core/base/gone.h" is not in the tree'
printf '#include <uv.h>\n' >s3/in.c
expect check_layers 's3/in.c:1: <uv.h> belongs to core/env'
rm s3/in.c

# Spelled in two parts, lest this file breaks the rule itself.
printf 'fine\nint x; /* %s%s: later */\n' TO DO >core/osd/a.c
expect check_words 'core/osd/a.c:2:'
printf 'see /ro%s/notes\n' ot >core/osd/a.c
expect check_words 'core/osd/a.c:1:'
yes 'int x;' | head -n 801 >core/osd/a.c
expect check_length 'core/osd/a.c:801:'
