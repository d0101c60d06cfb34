#!/bin/bash
# timeout: 480
# s3_crowd.sh - many connections: idle and busy, slow readers and writers, more than is taken; a
# gateway killed under uploads, one stopped under requests.  Full numbers: 5,000 idle and 500 busy.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"

many=()
if all; then
    many=(--many)
    ulimit -n 16384 2>/dev/null || skip "5,500 connections need as many open files"
fi

crowd() # crowd WHAT: it must be as it must
{
    python3 "$SRCDIR/tests/integration/s3_crowd.py" --env "$D/env" --pid "${ROLE_PID[s3.0]}" "${many[@]}" "$@"
}

crowd_begin() # crowd_begin WHAT: in the background, and under way
{
    start "$1" python3 "$SRCDIR/tests/integration/s3_crowd.py" --env "$D/env" --pid "${ROLE_PID[s3.0]}" \
        "${many[@]}" "$1"
    wait_for 60 "$1 is under way" grep -q 'under way' "$WORK/$1.out"
    sleep 0.5
}

many_up 1 3
for what in crowd readers writers; do
    step "$what"
    crowd $what || fail "$what"
done

step "overload: fewer requests at once than there are connections"
role_kill TERM s3 0
conf_add s3 'requests_max = 24'
role_begin s3 0
role_ready s3 0
crowd overload || fail "overload"

step "the gateway is killed under uploads"
crowd_begin torn
sleep 2
role_kill KILL s3 0
wait "$STARTED" || fail "torn: $(tail -n 3 torn.out)"
role_begin s3 0
role_ready s3 0
crowd --acknowledged torn.out visible || fail "after a kill"

step "the gateway is stopped under requests"
crowd_begin inflight
pid=${ROLE_PID[s3.0]}
stop "$pid" || fail "the gateway ends with $?"
PIDS=${PIDS/ $pid/}
wait "$STARTED" || fail "$(tail -n 3 inflight.out)"
tail -n 1 inflight.out
role_begin s3 0
role_ready s3 0
! grep -i ' error ' "$WORK/s3.0.err" || fail "the gateway's log has errors"
