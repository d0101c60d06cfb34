#!/bin/bash
# timeout: 480
# Another program fills the file system to the last byte, under load: writes are refused with ENOSPC
# and nothing else, reads and deletes go on, a kill -9 while it is full loses nothing, and with space
# back all is as it was.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need mkfs.ext4 losetup curl
test "$(id -u)" -eq 0 || skip "mounting a file system of its own needs root"

truncate -s 5G disk
mkfs.ext4 -q -F -m 0 disk || fail "mkfs.ext4"
mkdir mounted
mount -o loop disk mounted 2>mount.err || skip "cannot mount a file: $(cat mount.err)"
MOUNTS=$WORK/mounted
D=$WORK/mounted/data
FOLDERS=$D

# The last byte: what a large block does not fill, smaller ones do.
fill()
{
    local size

    for size in 4M 64k 4k 1; do
        dd if=/dev/zero of=mounted/fill bs=$size oflag=append conv=notrunc count=4000 status=none 2>/dev/null
        while dd if=/dev/zero of=mounted/fill bs=$size oflag=append conv=notrunc count=4000 status=none \
            2>/dev/null && test $size != 1; do :; done
    done
    same 0 "$(df --output=avail -B1 mounted | tail -n 1 | tr -d ' ')" "the space left after filling"
}

step "objects, before"
up
same 200 "$(s3 PUT /box)" "create bucket"
ok c pool create load
mib 8 eight
for i in 1 2; do ok c object put load "keep$i" eight; done
for key in kept large copied; do same 200 "$(s3 PUT "/box/$key" -T eight)" "PUT $key"; done
same 200 "$(s3 PUT /box/copy -H 'x-amz-copy-source: /box/copied')" "copy"
same 200 "$(s3 PUT /box/small -d 'a few bytes')" "PUT small"
start load.loadgen "$LOADGEN" --conf "$D/cairn.conf" --pool load --journal "$WORK/load.objects" --full-ok run
loadgen=$STARTED
sleep 1

step "the file system fills up under load"
fill
refused() { c --timeout 30 object put load new eight 2>put.err; test $? -eq 1 && grep -qi 'space' put.err; }
wait_for 20 "writes are refused for lack of space" refused
sleep 1
c status --json >status.json || fail "status while the disk is full"
jq -e '.health.status != "HEALTH_OK"' status.json >/dev/null || fail "full, and healthy: $(cat status.json)"
c object get load keep1 | cmp - eight || fail "keep1 cannot be read while the disk is full"
ok c object rm load keep2
refuses 1 'no such' c object stat load keep2
same 507 "$(s3 PUT /box/new -T eight)" "PUT while the disk is full"
grep -q '<Code>InsufficientStorage</Code>' body || fail "PUT while the disk is full: $(cat body)"
for key in large copied copy small; do same 204 "$(s3 DELETE "/box/$key")" "DELETE $key while the disk is full"; done
same 404 "$(s3 GET /box/large)" "GET of what was deleted"
same 200 "$(s3 GET /box/kept)" "GET while the disk is full"
cmp -s body eight || fail "kept has other bytes"
stop "$loadgen" || { cat load.loadgen.out && fail "errors under load"; }
tail -n 1 load.loadgen.out
test "$(count_of refused load.loadgen.out)" -gt 0 || fail "nothing was refused"

step "kill -9 while it is full, and a start"
kill_cluster
# What a start needs may be there, in the stores' ballast, or the other program has taken that too.
if "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0 >up.out 2>up.err </dev/null; then
    c object get load keep1 | cmp - eight || fail "keep1 cannot be read after a start on a full disk"
    refuses 1 'no such' c object stat load keep2
    refused || fail "after a start on a full disk: $(cat put.err)"
    kill_cluster
else
    grep -qiE 'no (space|room)' up.err || fail "a start on a full disk: $(cat up.err)"
    test -z "$(cluster_pid)" || fail "a start was refused, and something runs"
fi

step "space is back"
rm mounted/fill
up
wait_for 60 "healthy again" healthy
"$LOADGEN" --conf "$D/cairn.conf" --pool load --journal "$WORK/load.objects" verify >verify.txt ||
    { cat verify.txt && fail "changes are lost"; }
tail -n 1 verify.txt
c object get load keep1 | cmp - eight || fail "keep1 is gone"
refuses 1 'no such' c object stat load keep2
ok c object put load new eight
c object get load new | cmp - eight || fail "new differs"
same 200 "$(s3 GET /box/kept)" "GET with space again"
cmp -s body eight || fail "kept has other bytes"
same 404 "$(s3 GET /box/copy)" "GET of what was deleted"
ok c bucket check
down
fsck_all
