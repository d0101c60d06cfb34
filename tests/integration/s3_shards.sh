#!/bin/bash
# timeout: 480
# Index shards split under load, and while everything is killed: no client is told of an error, no listing
# misses or repeats a key, and the checker finds nothing; what is damaged then, it finds.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need jq
S3_ADDR=127.0.0.1:$(free_ports 1)

shards() # how many the bucket has
{
    c bucket stat load --json | jq .shards
}

grown()
{
    test "$(shards)" -gt 8
}

load() # load NAME MODE [ARGS]
{
    local name=$1 mode=$2
    shift 2

    start "$name" python3 "$S3LOAD" --env "$D/env" --bucket load --journal "$WORK/journal" --keys 60 \
        "$@" "$mode"
}

up
down
conf_add s3 'shard_entries = 20'
up

step "shards split under load"
load first run
first=$STARTED
wait_for 90 "more than eight shards" grown
ok c bucket check load
kill -0 $first 2>/dev/null || fail "the load has ended: $(cat first.out)"
stop $first || fail "errors while shards split: $(cat first.out)"

step "everything is killed while they split"
load second run --kills --seed 2
second=$STARTED
sleep 3
kill_cluster
up
sleep 3
stop $second || fail "errors beside the kill: $(cat second.out)"
load third verify
wait "$STARTED" || fail "after the kill: $(cat third.out)"
ok c bucket check
c bucket check --json >check.json || fail "the checker as JSON"
same "$(c bucket stat load --json | jq .objects)" "$(jq .objects check.json)" "the number of objects"
same 0 "$(jq '.findings | length' check.json)" "the number of findings"

step "the same of a cluster that is stopped"
c bucket check --offline 2>err.txt && fail "a cluster that runs is checked offline"
grep -q 'runs (process' err.txt || fail "offline on a running cluster says: $(cat err.txt)"
down
c bucket check --offline --json >offline.json || fail "offline: $(cat offline.json)"
same "$(jq -c 'del(.rows, .data_objects)' check.json)" "$(jq -c 'del(.rows, .data_objects)' offline.json)" "what offline counts"
up

step "what is damaged is found"
for victim in $(c object ls s3.data | grep -o 'o\.[0-9a-f]*\.0' | head -n 60); do
    ok c object rm s3.data "$victim" # some are garbage: only the others are missed
done
printf stray >stray
ok c object put s3.data o.00112233445566778899aabbccddeeff.0 stray
c bucket check >found.txt && fail "the damage is not found: $(cat found.txt)"
grep -q 'bucket load: the object of .* are missing' found.txt || fail "the missing data is not named: $(cat found.txt)"
grep -q 'nobody refers to.*o.00112233445566778899aabbccddeeff' found.txt ||
    fail "the stray data is not named: $(cat found.txt)"
down
