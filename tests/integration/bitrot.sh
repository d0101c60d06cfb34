#!/bin/bash
# timeout: 900
# Bits flip on one OSD: in extents, in LevelDB's tables, in the journal, in the superblock, while it
# runs and before a start.  Whoever reads gets the right bytes, no client sees an error, the damage is
# reported and repaired from the good copies, and in the end fsck is content.  An OSD that has lost
# every superblock stays down, the others serve, health names it, and it is replaced.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
ROT="python3 $SRCDIR/tests/integration/rot.py"
S3_ADDR=127.0.0.1:$(free_ports 1)
victim=$D/osd.1
seconds=0.5
seen= # osd.1 told of damage before it was restarted
all && seconds=5

corrupt_found() # of osd.1 in this life, as the monitors know it
{
    c osd ls --json | jq '.[] | select(.osd == 1) | .corrupt_found'
}

found() # damage is known
{
    test "$(corrupt_found)" -gt 0
}

found_soon() # damage is known within a moment
{
    local i

    for ((i = 0; i < 30; i++)); do
        found && return 0
        sleep 0.1
    done
    return 1
}

intact() # both objects read as written, and `where` shows three equal copies of each
{
    local object

    for object in "$led" "$followed"; do
        c object get rot "$object" | cmp - marked && copies_equal rot "$object" 3 || return 1
    done
}

healed() # healed WHAT: everything is whole again, it was told of, nothing is lost
{
    wait_for 60 "$1: the marked objects are whole" intact
    test -n "$seen" || wait_for 60 "$1: damage is reported" found
    seen=
    wait_for 60 "$1: repaired" repaired
    ! all || load_verify all
}

more_lines() # more_lines FILE THAN
{
    test "$(cat "$1" 2>/dev/null | wc -l)" -gt "$2"
}

works() # works [LOADGEN ARGS]: clients have begun, and work for a moment
{
    local keys objects

    keys=$(cat all.keys 2>/dev/null | wc -l)
    objects=$(cat all.objects 2>/dev/null | wc -l)
    load_start all --seed $SECONDS "$@"
    wait_for 60 "s3load works" more_lines all.keys "$keys"
    wait_for 60 "loadgen works" more_lines all.objects "$objects"
    sleep $seconds
}

under_load() # under_load WHAT: clients work for a moment and see no error
{
    works
    load_stop all
    c object get rot "$led" | cmp - marked || fail "$1: bad bytes were served"
    ! found || seen=yes # in this life; the next one may have nothing left to find
}

down_in_order() # every store is in order after a clean stop
{
    down
    fsck_all
}

in_order() # the full numbers only: before the next part
{
    ! all || { down_in_order && up; }
}

flip_marks()
{
    test "$($ROT text "$victim/data" "$mark")" -ge 1024 || fail "too few marks in the data of osd.1"
}

flip_tables()
{
    local table n=0

    for table in "$victim"/kv/*.ldb; do # in each block: nobody reads all of them at once
        test ! -s "$table" || n=$((n + $($ROT spread "$table" $(($(stat -c %s "$table") / 2000 + 1)))))
    done
    test $n -gt 0 || fail "osd.1 has no tables"
}

flip_journal()
{
    test "$($ROT spread "$victim/journal" 4000)" -gt 0 || fail "the journal is empty"
}

flip_superblocks()
{
    $ROT at "$victim/superblock" 100 >/dev/null
    $ROT at "$victim/superblock" 4196 >/dev/null
}

# put_led YES: an object whose PG osd.1 leads, or one whose PG it follows; its name.  Whoever reads the
# first reads that copy.
put_led()
{
    local i name

    for ((i = 0; ; i++)); do
        name=marked.$1.$i
        ok c object put rot "$name" marked
        if where rot "$name" '.acting[0] == 1' | grep -qx "$1"; then
            echo "$name"
            return
        fi
        ok c object rm rot "$name"
    done
}

step "a cluster with objects"
up --osds 3
ok c pool create rot
ok c pool create load
# Large, so that its bytes go to extents; the mark is found there again.
mark=Cairn-bit-rot-mark-$$
for ((i = 0; i < 512; i++)); do
    printf '%s %d ' "$mark" $i
    head -c 8192 /dev/urandom
done >marked
led=$(put_led true)
followed=$(put_led false)
under_load "at first"
wait_for 20 "healthy" healthy

step "extents, while it runs"
flip_marks
# Each OSD reads its own copy when asked where an object is, and must not vouch for bad bytes.
where rot "$followed" '.copies[] | select(.osd == 1) | .error' | grep -q . ||
    fail "osd.1 vouches for a rotten copy: $(c object where rot "$followed" --json)"
under_load "extents"
healed "extents, live"

step "extents, before a start"
down_in_order
flip_marks
refuses 1 '.' "$CAIRN" osd fsck "$victim"
up
healed "extents, before a start"

step "LevelDB's tables, while it runs"
in_order
flip_tables
under_load "tables"
kill_cluster
up
healed "tables, live"

step "LevelDB's tables, before a start"
down_in_order
flip_tables
refuses 1 '.' "$CAIRN" osd fsck "$victim"
up
healed "tables, before a start"

step "the journal, while it runs"
in_order
S3LOAD_ARGS=--kills # clients live on through the kill
for ((try = 0; try < 5; try++)); do # a checkpoint may come between: what it covers nobody reads again
    works --timeout 60
    kill -STOP "$(cluster_pid)" # or it writes anew, meanwhile, what was flipped
    flip_journal
    kill_cluster
    up
    load_stop all
    found_soon && break
done
S3LOAD_ARGS=
healed "the journal, live"

step "the journal, before a start"
load_verify all
in_order
under_load "the journal"
kill_cluster
flip_journal
up
healed "the journal, before a start"

step "the superblock, while it runs"
in_order
flip_superblocks
under_load "the superblock"
kill_cluster
flip_superblocks # again: a checkpoint may have written one anew
$ROT at "$victim/superblock" 4196 >/dev/null
up
wait_for 60 "the superblock, live: repaired" repaired
load_verify all

step "the superblock, before a start"
down_in_order
flip_superblocks
refuses 1 'superblock' "$CAIRN" osd fsck "$victim"
up
healed "the superblock, before a start"

step "every superblock and its copy"
down_in_order
flip_superblocks
$ROT at "$victim/data" 100 >/dev/null
up
grep -q 'warning: osd.1 does not start' up.out || fail "the block does not tell of osd.1: $(cat up.out)"
trouble() { c status --json | jq -e '[.health.checks[].code] | contains(["OSD_TROUBLE", "OSD_DOWN"])'; }
wait_for 30 "health names the OSD that cannot start" trouble
c status | grep -q OSD_TROUBLE || fail "status does not tell of it"
under_load "without osd.1"
ok c osd out 1
ok c osd rm 1
down
rm -r "$victim"
up --osds 3
wait_for 60 "the new osd.1 is filled" healthy
intact || fail "the new osd.1 has other copies"
load_verify all
down_in_order
