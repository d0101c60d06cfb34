#!/bin/bash
# timeout: 480
# One role a process: three monitors, four OSDs, a gateway.  Under load an OSD and the leading monitor
# are killed with -9: no client sees an error or a stall over 3 s, and who comes back catches up.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
stall_ms=3000
span=2
all && span=10

osds_are()
{
    test "$(c osd ls --json | jq '[.[] | select(.up)] | length')" = "$1"
}

leader()
{
    c mon ls --json | jq -r '.[] | select(.leads) | .mon'
}

all_equal()
{
    local name

    c object ls load | shuf -n 25 --random-source=<(yes) >names
    while read -r name; do
        copies_equal load "$name" 3 || fail "copies differ: $(c object where load "$name" --json)"
    done <names
}

step "three monitors, four OSDs, a gateway"
many_up 3 4
ok c pool create load
wait_for 30 "healthy" healthy

step "an empty folder is refused: its disk may not be mounted"
mkdir "$D/osd.9"
refuses 1 'mkfs' timeout 20 "$CAIRND" osd --conf "$D/cairn.conf" --id 9
rmdir "$D/osd.9"
refuses 2 'usage' "$CAIRND" osd --id 1
"$CAIRND" --help | grep -q 'cairnd mon|osd|s3' || fail "cairnd --help"
refuses 1 'no folder of .cairn up' c down
refuses 1 'nofile' "$CAIRND" osd --conf nofile --id 1

step "kill -9 of an OSD under load"
load_start first
sleep $span
role_kill KILL osd 1
wait_for 10 "osd.1 is down" osds_are 3
sleep $span
role_begin osd 1
role_ready osd 1
wait_for 60 "healthy after osd.1 came back" healthy
load_stop first
no_stall first $stall_ms
all_equal

step "kill -9 of the leading monitor under load"
lead=$(leader)
test -n "$lead" || fail "no monitor leads: $(c mon ls --json)"
load_start first --seed 2
sleep 1
role_kill KILL mon "$lead"
sleep $span
role_kill KILL osd 2 # the two others must notice, and decide
wait_for 15 "osd.2 is down" osds_are 3
test "$(leader)" != "$lead" || fail "mon.$lead leads although it is dead"
role_begin mon "$lead"
role_begin osd 2
role_ready mon "$lead"
role_ready osd 2
wait_for 60 "healthy after mon.$lead and osd.2 came back" healthy
load_stop first
no_stall first $stall_ms
all_equal

step "an operator's stop ends the process"
ok c osd stop 3
for ((i = 0; i < 100; i++)); do
    kill -0 "${ROLE_PID[osd.3]}" 2>/dev/null || break
    sleep 0.1
done
wait "${ROLE_PID[osd.3]}" || fail "osd.3 was stopped, and exits with $?"
ok c osd start 3
role_begin osd 3
role_ready osd 3
wait_for 60 "healthy after osd.3 came back" healthy

step "all of them killed at once, and started again"
load_start first --seed 3
sleep 1
kill -9 "$LOADGEN_PID" "$S3LOAD_PID"
for role in s3.0 osd.0 osd.1 osd.2 osd.3 mon.0 mon.1 mon.2; do
    role_kill KILL "${role%.*}" "${role#*.}"
done
wait "$LOADGEN_PID" "$S3LOAD_PID" 2>/dev/null
fsck_all
for i in 0 1 2; do role_begin mon $i; done
for i in 0 1 2 3; do role_begin osd $i; done
for i in 0 1 2; do role_ready mon $i; done
for i in 0 1 2 3; do role_ready osd $i; done
role_begin s3 0
role_ready s3 0
wait_for 60 "healthy after all were killed" healthy
load_verify first

step "SIGTERM ends each cleanly"
for role in s3.0 osd.0 osd.1 osd.2 osd.3 mon.0 mon.1 mon.2; do
    kill -TERM "${ROLE_PID[$role]}"
    wait "${ROLE_PID[$role]}" || fail "$role exits with $? after SIGTERM"
done
fsck_all
