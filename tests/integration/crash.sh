#!/bin/bash
# timeout: 480
# kill -9 of the whole cluster under load, again and again: objects and S3 keys are created,
# overwritten, deleted, listed and uploaded in parts meanwhile.  After each kill every store passes
# fsck, and every acknowledged change of all rounds is there, whole.  In every other round the
# clients live on through the kill: what they had sent is answered after the restart, having run once.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
rounds=5
all && rounds=50
S3LOAD_ARGS=--kills
RANDOM=4711
S3_ADDR=127.0.0.1:$(free_ports 1)

up
ok c pool create load
down
conf_add osd 'pg_log_min = 20
pg_log_max = 40'
conf_add s3 'shard_entries = 16'
up
for ((round = 1; round <= rounds; round++)); do
    live=$((round % 2))
    load_start all --seed $round --timeout 600 # fsck reads everything while they wait
    sleep "$(awk -v r=$RANDOM 'BEGIN { print 1.6 * r / 32768 }')"
    test $live -eq 1 || kill -9 "$LOADGEN_PID" "$S3LOAD_PID"
    kill_cluster
    test $live -eq 1 || wait "$LOADGEN_PID" "$S3LOAD_PID" 2>/dev/null # else bash tells that they died
    fsck_all
    up
    if test $live -eq 1; then
        load_stop all
    fi
    step "round $round of $rounds, clients $(test $live -eq 1 && echo live on || echo die too)"
    load_verify all
done
wait_for 60 "healthy" healthy
ok c bucket check
down
fsck_all
