#!/bin/bash
# timeout: 480
# Two of three OSDs are gone, so that no PG takes a write: requests and background work of a gateway get no
# answer.  Requests are given up after two minutes, and a gateway ends in time when it is asked to, alone and
# in a cluster of one process.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need jq curl
stop_s=15 # s3.stop_ms is 5 s

# A request that has begun and gets no answer.  With the full numbers another one has been given up by then,
# and the collector has begun a round.
put_hangs()
{
    if all; then
        same 503 "$(s3 PUT /box/ends --data-binary @bytes --max-time 150)" "a PUT after two minutes"
    fi
    s3 PUT /box/hangs --data-binary @bytes --max-time 100 >code 2>&1 &
    PIDS="$PIDS $!"
    sleep 3
    kill -0 $! 2>/dev/null || fail "a PUT was answered: $(cat code)"
}

in_time() # in_time SECONDS_BEGAN WHAT
{
    echo "$2 took $((SECONDS - $1)) s"
    test $((SECONDS - $1)) -le $stop_s || fail "$2 took $((SECONDS - $1)) s"
}

mib 9 bytes
step "a gateway of its own"
many_up 1 3
wait_for 30 "healthy" healthy
same 200 "$(s3 PUT /box)" "the bucket"
same 200 "$(s3 PUT /box/gone --data-binary @bytes)" "an object"
same 204 "$(s3 DELETE /box/gone)" "its deletion"
role_kill KILL osd 1
role_kill KILL osd 2
put_hangs
began=$SECONDS
kill -TERM "${ROLE_PID[s3.0]}"
wait "${ROLE_PID[s3.0]}" || fail "the gateway exits with $?"
in_time $began "its stop"
role_begin osd 1
role_begin osd 2
role_ready osd 1
role_ready osd 2
role_begin s3 0
role_ready s3 0
wait_for 60 "healthy" healthy
same 200 "$(s3 PUT /box/new --data-binary @bytes)" "an object"
ok c bucket check box
for role in s3.0 osd.0 osd.1 osd.2 mon.0; do
    kill -TERM "${ROLE_PID[$role]}"
    wait "${ROLE_PID[$role]}" || fail "$role exits with $? after SIGTERM"
done

step "a cluster in one process"
D=$WORK/one
FOLDERS="$FOLDERS $D"
up
wait_for 30 "healthy" healthy
same 200 "$(s3 PUT /box)" "the bucket"
same 200 "$(s3 PUT /box/gone --data-binary @bytes)" "an object"
same 204 "$(s3 DELETE /box/gone)" "its deletion"
ok c osd stop 1
ok c osd stop 2
put_hangs
began=$SECONDS
down
in_time $began "cairn down"
fsck_all

step "a cluster that cannot serve is up all the same, and can be mended"
up
grep -q 'warning: not all data can be reached' "$WORK/up.out" || fail "no warning: $(cat "$WORK/up.out")"
c health | grep -q '2 OSDs are down' || fail "health tells nothing: $(c health)"
ok c osd start 1
ok c osd start 2
wait_for 60 "healthy" healthy
same 200 "$(s3 PUT /box/back --data-binary @bytes)" "an object"
down
fsck_all
