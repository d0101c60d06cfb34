#!/bin/bash
# timeout: 480
# OSDs come and go under load, in one process: copies are where CRUSH says; an OSD that is stopped
# costs no client an error or a stall over 3 s; out moves copies; who comes back catches up, by log
# after a short outage, by backfill after one longer than the log.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
stall_ms=3000
span=2
all && span=10

osds_up() # how many
{
    c osd ls --json | jq '[.[] | select(.up)] | length'
}

osds_are() # osds_are N: so many are up
{
    test "$(osds_up)" = "$1"
}

# Every object of the load has three copies that agree, none of them on the OSD given.
all_equal() # all_equal [OSD]
{
    local name

    c object ls load | shuf -n 25 --random-source=<(yes) >names
    while read -r name; do
        copies_equal load "$name" 3 || fail "copies differ: $(c object where load "$name" --json)"
        test -z "${1-}" || where load "$name" '.acting[]' | grep -qx "$1" &&
            test -n "${1-}" && fail "osd.$1 is out and serves $name"
    done <names
}

settled() # settled SECONDS WHAT
{
    wait_for "$1" "$2: healthy" healthy
}

step "four OSDs"
up --osds 4
ok c pool create load
settled 20 "the start"

step "copies are where CRUSH says"
c crush show >map.txt || fail "crush show"
rule=$(c pool ls --json | jq '.[] | select(.name == "load") | .rule')
: >small
for i in $(seq 12); do
    ok c object put load "placed$i" small
    c object where load "placed$i" --json >where.json || fail "object where"
    x=$(python3 "$SRCDIR/tests/integration/crush_x.py" "$(jq -r .pg where.json)")
    c crush test --map map.txt --rule "$rule" --num-rep 3 --min-x "$x" --max-x "$x" >mapping.txt ||
        fail "crush test"
    same "CRUSH rule $rule x $x $(jq -c .up where.json)" "$(head -n 1 mapping.txt)" "the mapping of placed$i"
    copies_equal load "placed$i" 3 || fail "placed$i: $(cat where.json)"
    ok c object rm load "placed$i"
done

step "an OSD is stopped under load, and comes back soon: by log"
load_start first
sleep $span
ok c osd stop 1
wait_for 10 "osd.1 is down" osds_are 3
sleep $span
ok c osd start 1
wait_for 20 "osd.1 is up" osds_are 4
settled 60 "after a short outage"
load_stop first
no_stall first $stall_ms
all_equal

step "out under load: copies move"
load_start first --seed 2
sleep 1
ok c osd out 2
settled 90 "after out"
load_stop first
no_stall first $stall_ms
all_equal 2
ok c osd in 2
settled 90 "after in"
all_equal

step "an outage longer than the log: by backfill"
down
conf_add osd 'pg_log_min = 4
pg_log_max = 8'
up
settled 30 "with short logs"
ok c osd stop 3
wait_for 10 "osd.3 is down" osds_are 3
load_start first --seed 3
sleep $((span * 2))
ok c osd start 3
wait_for 20 "osd.3 is up" osds_are 4
settled 90 "after a long outage"
load_stop first
no_stall first $stall_ms
all_equal

step "every acknowledged change is there, and the stores are in order"
load_verify first
down
fsck_all
