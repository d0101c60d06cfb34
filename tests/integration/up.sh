#!/bin/bash
# timeout: 480
# `cairn up` and its verbs: a cluster on one folder, its files, what it refuses, and that it comes
# back with its data after `cairn down` and after kill -9.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"

need s3cmd
step "the first start"
up
for word in "http://127.0.0.1" "s3cmd -c" "rclone --config" "AWS_ENDPOINT_URL" "access key" "secret key"; do
    grep -qF -- "$word" up.out || fail "the block of cairn up does not say '$word': $(cat up.out)"
done
for f in env s3cfg rclone.conf; do
    same 600 "$(stat -c %a "$D/$f")" "the mode of $f"
done
for f in cairn.conf log; do
    test -s "$D/$f" || test "$f" = log -a -e "$D/$f" || fail "there is no $f"
done
# shellcheck disable=SC1091
(
    . "$D/env"
    for name in CAIRN_CONF AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_DEFAULT_REGION CAIRN_PID; do
        test -n "${!name-}" || fail "env does not set $name"
    done
    same "$(cluster_pid)" "$CAIRN_PID" CAIRN_PID
    curl -s -o answer -w '%{http_code}\n' "$AWS_ENDPOINT_URL/" >code || fail "no HTTP at $AWS_ENDPOINT_URL"
    same 403 "$(cat code)" "the answer to an unsigned request"
    "$CAIRN" status >/dev/null || fail "cairn status does not find the cluster by CAIRN_CONF"
    cd "$D/.." && mkdir -p elsewhere && cd elsewhere && CAIRN_CONF='' "$CAIRN" status 2>said >/dev/null &&
        fail "cairn status works where there is no cluster"
    grep -q 'no cluster' said || fail "it does not say that there is no cluster: $(cat said)"
) || exit 1
! grep -qF "$(sed -n "s/^export AWS_SECRET_ACCESS_KEY='\(.*\)'/\1/p" "$D/env")" "$D/log" ||
    fail "the log holds the secret key"

step "status"
same HEALTH_OK "$(health)" "the health right after the start"
c status --json >status.json || fail "cairn status --json"
jq -e '.health.status == "HEALTH_OK" and (.osds.up == 3) and (.osds.in == 3)' status.json \
    >/dev/null || fail "status --json: $(cat status.json)"
c status >status.txt || fail "cairn status"
grep -q HEALTH_OK status.txt || fail "cairn status: $(cat status.txt)"
c osd ls --json | jq -e 'length == 3 or (.osds | length) == 3' >/dev/null || fail "osd ls --json"

step "users and pools"
ok c user create ann
c user list | grep -q ann || fail "ann is not listed"
c user list --json | jq -e . >/dev/null || fail "user list --json"
refuses 1 'exist|already' c user create ann
ok c user rm ann
c user list | grep -q ann && fail "ann is listed after rm"
refuses 1 'no such|no user|not' c user rm ann
ok c pool create things
c pool ls | grep -q things || fail "the pool is not listed"
c pool ls --json | jq -e . >/dev/null || fail "pool ls --json"
refuses 1 'exist|already' c pool create things
c pool create pair size 2 >pair.txt || fail "no pool of two copies"
! grep -q warning pair.txt || fail "what was asked for is warned of: $(cat pair.txt)"
ok c pool rm pair

step "objects"
mib 9 nine
ok c object put things nine nine
ok c object get things nine back
cmp nine back || fail "nine is not what was put"
c object put things piped - <nine || fail "put from a pipe"
c object get things piped >back || fail "get to a pipe"
cmp nine back || fail "piped is not what was put"
: >empty
ok c object put things empty empty
c object get things empty - >back || fail "get of an empty object"
cmp empty back || fail "empty is not empty"
same 9437184 "$(c object stat things nine --json | jq .bytes)" "stat of nine"
same "empty nine piped" "$(c object ls things | sort | tr '\n' ' ' | sed 's/ $//')" "object ls"
same 3 "$(c object ls things --json | jq -s length)" "the rows of object ls --json"
wait_for 20 "all PGs are clean" sh -c "'$CAIRN' --data '$D' status --json |
    jq -e '.pgs.total > 0 and .pgs.active_clean == .pgs.total'"
copies_equal things nine 3 || fail "the copies of nine: $(c object where things nine --json)"
ok c object put things nine empty
same 0 "$(c object stat things nine --json | jq .bytes)" "the size after an overwrite"
ok c object rm things piped
refuses 1 'no such' c object get things piped -
refuses 1 'no such' c object get things piped missing
test ! -e missing || fail "a failed get makes a file"
cp nine kept
refuses 1 'no such' c object get things piped kept
cmp nine kept || fail "a failed get changes the file"
ln -s kept link
chmod 640 kept
ok c object get things nine link
test -L link -a "$(stat -c %a kept)" = 640 || fail "get replaces a link, or changes the mode of a file"
cmp empty kept || fail "get through a link"
test -z "$(ls kept.* link.* 2>/dev/null)" || fail "get leaves files behind: $(ls)"
ok c object put things piped nine
refuses 1 '/dev/full: no space' c object get things piped /dev/full
ok c object rm things piped
refuses 1 'at least one byte' c object put things '' nine
refuses 1 'no such' c object stat things piped
refuses 1 'no such' c object rm things piped

step "an OSD is stopped and started"
ok c osd stop 2
c status --json | jq -e '.osds.up == 2' >/dev/null || fail "osd stop returns before osd.2 is down"
wait_for 20 "degraded" sh -c "'$CAIRN' --data '$D' health | grep -q 'and [0-9]* more'"
c health | grep -q 'osd.2 is down' || fail "health does not tell of osd.2: $(c health)"
same '{"osd":2}' "$(c osd start osd.2 --json 2>/dev/null | jq -c .)" "osd start --json"
c status --json | jq -e '.osds.up == 3' >/dev/null || fail "osd start returns before osd.2 is up"
wait_for 20 "healthy" healthy

step "128 MiB, and one byte more"
truncate -s $((128 << 20)) most
dd if=/dev/urandom of=most bs=1M count=3 seek=125 conv=notrunc status=none
ok c object put things most most
c object get things most | cmp - most || fail "128 MiB do not come back"
ok c object rm things most
truncate -s $(((128 << 20) + 1)) most
refuses 1 'too large' c object put things most most
refuses 1 'no such' c object stat things most
rm -f most

step "refusals"
refuses 1 'no pool' c object put nowhere x empty
refuses 1 'no such|nofile' c object put things x "$WORK/nofile"
refuses 2 'usage' c object put things
refuses 2 'usage' c object frobnicate things
refuses 2 'no such command' c frobnicate
refuses 2 'cairn pool create NAME' c pool
refuses 2 'cairn osd stop N' c osd stop
refuses 2 'no such option' "$CAIRN" --frobnicate status
refuses 2 'needs a value' "$CAIRN" --data
refuses 2 'seconds' c --timeout x status
refuses 2 'usage' "$CAIRN" crush test
refuses 1 'no cluster' "$CAIRN" --data "$WORK/nothing" status
refuses 1 'no cluster' "$CAIRN" --data "$WORK/nothing" down
refuses 2 '' "$CAIRN"
refuses 2 'usage' "$CAIRN" --data "$WORK/other" up --frobnicate
refuses 2 'osds' "$CAIRN" --data "$WORK/other" up --osds 0
refuses 2 's3' "$CAIRN" --data "$WORK/other" up --s3 nonsense
test ! -e "$WORK/other" || fail "a refused start made its folder"
refuses 1 '[0-9]+' c osd stop 99
ok c pool rm things
refuses 1 'no pool' c object ls things

step "help needs no cluster"
mkdir -p elsewhere
for verb in "" up down status pool "pool create" osd "osd fsck" crush "crush test" object user help; do
    # shellcheck disable=SC2086
    (cd elsewhere && "$CAIRN" $verb --help) >said 2>&1 || fail "cairn $verb --help: $(cat said)"
    grep -q "usage: cairn ${verb:-.--data}" said || fail "cairn $verb --help: $(cat said)"
done
(cd elsewhere && "$CAIRN" user --help) | head -n 1 | grep -q 'user create' || fail "to remove comes before to create"
(cd elsewhere && "$CAIRN" help) | grep -q 'cairn pool create NAME' || fail "cairn help does not know pool create"

step "a second start on the same folder"
refuses 1 "$(cluster_pid)" "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0
refuses 1 'running' "$CAIRN" osd fsck "$D/osd.0"
refuses 1 'is not the folder of an OSD' "$CAIRN" osd fsck "$D"

step "a port that is taken"
start taken python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)'
wait_for 10 "a port is taken" test -s taken.out
refuses 1 'in use.*--s3' "$CAIRN" --data "$WORK/other" up --detach --s3 "127.0.0.1:$(cat taken.out)"
refuses 1 'in use.*--s3' timeout 60 "$CAIRN" --data "$WORK/other" up --s3 "127.0.0.1:$(cat taken.out)"
rm -rf "$WORK/other"
stop "$STARTED"

step "down, and up again"
ok c pool create keep
ok c object put keep nine nine
before=$(cat "$D/s3cfg")
endpoint=$(sed -n "s/^export AWS_ENDPOINT_URL='\(.*\)'/\1/p" "$D/env")
down
refuses 0 'not running' c down
refuses 0 'not running' env CAIRN_CONF="$D/cairn.conf" "$CAIRN" down
refuses 1 'is not running' timeout 2 "$CAIRN" --data "$D" status
fsck_all
up
c object get keep nine | cmp - nine || fail "nine is gone after down and up"
same "$(sed -n '/_key/p' <<<"$before")" "$(sed -n '/_key/p' "$D/s3cfg")" "the keys after a new start"
test -n "$endpoint"

step "kill -9, and up again"
mib 5 five
ok c object put keep five five
kill_cluster
fsck_all
up
c object get keep five | cmp - five || fail "five is gone after kill -9"
c object get keep nine | cmp - nine || fail "nine is gone after kill -9"
wait_for 20 "healthy" healthy

step "killed while it starts for the first time"
keep=$D
for after in 0.05 0.2 0.4; do
    D=$WORK/first.$after
    FOLDERS="$FOLDERS $D"
    "$CAIRN" --data "$D" up --s3 127.0.0.1:0 >/dev/null 2>&1 &
    sleep $after
    kill_and_wait KILL $!
    up
    same HEALTH_OK "$(health)" "the health after a first start that was killed after $after s"
    same 3 "$(c osd ls --json | jq length)" "the OSDs after a first start that was killed after $after s"
    # shellcheck disable=SC1091
    (. "$D/env" && test -n "$AWS_SECRET_ACCESS_KEY") || fail "no keys after a first start that was killed"
    kill_cluster
    rm -rf "$D"
done
D=$keep

step "the configuration is gone"
down
mv "$D/cairn.conf" conf.kept
refuses 1 'cairn.conf is gone' "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0
mv conf.kept "$D/cairn.conf"
rm "$D/env"
up
s3cmd -c "$D/s3cfg" ls >/dev/null || fail "the new key does not work"

step "--osds only adds"
down
up --osds 5
wait_for 30 "five OSDs up, and healthy" sh -c "'$CAIRN' --data '$D' status --json |
    jq -e '.osds.up == 5 and .health.status == \"HEALTH_OK\"'"
c object get keep nine | cmp - nine || fail "nine is gone after OSDs were added"
copies_equal keep nine 3 || fail "nine after OSDs were added: $(c object where keep nine --json)"
down
up --osds 2
wait_for 30 "still five OSDs" sh -c "'$CAIRN' --data '$D' status --json | jq -e '.osds.up == 5'"
down

step "one OSD"
D=$WORK/one
FOLDERS="$FOLDERS $D"
up --osds 1
grep -qi 'warning' up.out up.err || fail "no warning with one OSD: $(cat up.out)"
ok c pool create solo
ok c object put solo five five
copies_equal solo five 1 || fail "one OSD: $(c object where solo five --json)"
c object get solo five | cmp - five || fail "five on one OSD"
kill_cluster
up
c object get solo five | cmp - five || fail "five is gone after kill -9 of one OSD"

step "a gateway on every address"
down
S3_ADDR=0.0.0.0:0 up
grep -q 'http://127.0.0.1:[0-9]' up.out || fail "the block of a gateway on every address: $(cat up.out)"
s3cmd -c "$D/s3cfg" ls >/dev/null || fail "the files for clients of a gateway on every address"

step "in the foreground, until Ctrl-C"
down
start foreground "$CAIRN" --data "$D" up --s3 127.0.0.1:0
wait_for 20 "the block" grep -q 'cairn is ready' foreground.out
kill -INT "$STARTED"
wait "$STARTED" || fail "Ctrl-C ends it with status $?"
test -z "$(cluster_pid)" || fail "it runs on after Ctrl-C"
fsck_all
