#!/bin/bash
# timeout: 180
# Bits flip on one OSD: in extents, in LevelDB's tables, in the journal, in the superblock, while it
# runs and before a start.  Whoever reads gets the right bytes, the damage is reported and repaired from
# the good copies, and in the end fsck is content.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
ROT="python3 $SRCDIR/tests/integration/rot.py"
victim=$D/osd.1

corrupt_found() # of osd.1, as the monitors know it
{
    c osd ls --json | jq '.[] | select(.osd == 1) | .corrupt_found'
}

reported() # reported BEFORE: more damage is known than before
{
    test "$(corrupt_found)" -gt "$1"
}

settled()
{
    wait_for 60 "$1: repaired" repaired
    copies_equal rot $object 3 || fail "$1: $(c object where rot $object --json)"
    c object get rot $object | cmp - marked || fail "$1: the object differs"
    "$LOADGEN" --conf "$D/cairn.conf" --pool rot --journal "$WORK/rot.objects" verify >verify.txt ||
        { cat verify.txt && fail "$1: changes are lost"; }
}

proved() # proved WHAT: after a clean stop every store is in order; then up again
{
    down
    fsck_all
    up
    settled "$1, after a new start"
}

step "a cluster with objects"
up --osds 3
ok c pool create rot
# Large, so that its bytes go to extents; the mark is found there again.
mark=Cairn-bit-rot-mark-$$
for ((i = 0; i < 512; i++)); do
    printf '%s %d ' "$mark" $i
    head -c 8192 /dev/urandom
done >marked
# osd.1 leads its PG: whoever reads it reads that copy.
for ((i = 0; ; i++)); do
    object=marked$i
    ok c object put rot $object marked
    test "$(where rot $object '.acting[0]')" != 1 || break
    ok c object rm rot $object
done
"$LOADGEN" --conf "$D/cairn.conf" --pool rot --journal "$WORK/rot.objects" --seconds 3 run >load.txt ||
    { cat load.txt && fail "loadgen"; }
wait_for 20 "healthy" healthy

step "extents, while it runs"
before=$(corrupt_found)
places=$($ROT text "$victim/data" "$mark")
test "$places" -ge 512 || fail "only $places marks found in the data of osd.1"
# Each OSD reads its own copy when asked where an object is: osd.1 must not give a checksum of bad bytes.
where rot $object '.copies[] | select(.osd == 1) | .error // .crc32c' >first.txt
c object get rot $object | cmp - marked || fail "bad bytes were served"
repair() { c object get rot $object | cmp - marked && copies_equal rot $object 3; }
wait_for 60 "extents are repaired" repair
wait_for 30 "extents are reported" reported "$before"
settled "extents, live"

step "extents, before a start"
down
places=$($ROT text "$victim/data" "$mark")
test "$places" -ge 512 || fail "only $places marks found in the data of osd.1"
refuses 1 '.' "$CAIRN" osd fsck "$victim"
up
c object get rot $object | cmp - marked || fail "bad bytes were served"
wait_for 60 "extents are repaired" repair
settled "extents, before a start"
proved "extents"

step "LevelDB's tables, while it runs"
flip_tables()
{
    local table n=0

    for table in "$victim"/kv/*.ldb "$victim"/kv/*/*.ldb; do
        test ! -s "$table" || n=$((n + $($ROT spread "$table" 3)))
    done
    test $n -gt 0 || fail "osd.1 has no tables"
}
flip_tables
"$LOADGEN" --conf "$D/cairn.conf" --pool rot --journal "$WORK/rot.objects" --seconds 2 run >load.txt ||
    { cat load.txt && fail "clients saw errors while tables rotted"; }
c object get rot $object | cmp - marked || fail "bad bytes were served"
kill_cluster
up
settled "tables, live"
proved "tables, live"

step "LevelDB's tables, before a start"
down
flip_tables
refuses 1 '.' "$CAIRN" osd fsck "$victim"
up
settled "tables, before a start"
proved "tables"

step "the journal, while it runs and before a start"
"$LOADGEN" --conf "$D/cairn.conf" --pool rot --journal "$WORK/rot.objects" --seconds 2 run >load.txt ||
    { cat load.txt && fail "loadgen"; }
test "$($ROT spread "$victim/journal" 4000)" -gt 0 || fail "the journal is empty"
kill_cluster
up
settled "the journal"
proved "the journal"

step "the superblock"
$ROT at "$victim/superblock" 100 >/dev/null
$ROT at "$victim/superblock" 4196 >/dev/null
c object get rot $object | cmp - marked || fail "a running OSD needs its superblock to serve"
kill_cluster
up
settled "the superblock"
proved "the superblock"
