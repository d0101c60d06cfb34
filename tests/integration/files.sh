#!/bin/bash
# timeout: 480
# Real files: a tree of them by s3cmd up, listed, down, and identical; a large object by multipart;
# a folder of files through `cairn object`.  Full numbers: thousands of files, 1 GiB.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need s3cmd

# tree_take FOLDER N BYTES: a folder of up to N real files of this machine, links followed, names kept.
tree_take()
{
    mkdir "$1"
    for from in /usr/include /usr/share/doc /usr/share/man /usr/share/perl /etc; do
        find -L "$from" -type f -readable -size -2048k ! -name '*[[:cntrl:]]*' 2>/dev/null
    done | head -n "$2" | tar -chf - -T - 2>/dev/null | tar -xf - -C "$1"
    chmod -R u+rwX "$1"
    test "$(find "$1" -type f | wc -l)" -ge $(($2 / 2)) || skip "this machine has too few files to store"
}

sums()
{
    (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

s3()
{
    timeout 600 s3cmd -c "$D/s3cfg" --no-progress "$@" 2>"$WORK/s3cmd.err" </dev/null && return
    cat "$WORK/s3cmd.err"
    fail "s3cmd $*"
}

count=600
some=60
large=192
all && count=5000 some=1000 large=1024
up

step "a tree of real files by s3cmd"
tree_take tree $count
real=$(find tree -type f | wc -l)
s3 mb s3://tree >/dev/null
s3 sync tree/ s3://tree/ >/dev/null
s3 ls -r s3://tree >listed
same "$real" "$(wc -l <listed)" "the number of files listed"
diff <(find tree -type f -printf '%s %P\n' | sort) \
    <(sed 's|^[^ ]* *[^ ]*  *\([0-9]*\)  *s3://tree/|\1 |' listed | sort) >differs ||
    fail "the listing differs: $(head -n 5 differs)"
mkdir down
s3 sync s3://tree/ down/ >/dev/null
diff <(sums tree) <(sums down) >differs || fail "files differ: $(head -n 5 differs)"
step "$real files, $(du -sm tree | cut -f 1) MiB, up and down"
s3 sync tree/ s3://tree/ >again # nothing to do, and it must see that
! grep -q upload: again || fail "a second sync uploads again: $(head -n 3 again)"

step "an object of $large MiB by multipart"
mib $large large
s3 mb s3://large >/dev/null
s3 put --multipart-chunk-size-mb=15 large s3://large/large >/dev/null
s3 get s3://large/large large.back >/dev/null
cmp large large.back || fail "the large object differs"
rm -f large.back

step "after kill -9 all of it is there"
kill_cluster
up
rm -rf down && mkdir down
s3 sync s3://tree/ down/ >/dev/null
diff <(sums tree) <(sums down) >differs || fail "files differ after kill -9: $(head -n 5 differs)"
s3 get s3://large/large large.back >/dev/null
cmp large large.back || fail "the large object differs after kill -9"
rm -f large large.back

step "deleted recursively, then the buckets"
for bucket in tree large; do # of several buckets in one command s3cmd empties only the first
    s3 del -r --force s3://$bucket >/dev/null
    s3 rb s3://$bucket >/dev/null
done
same 0 "$(s3cmd -c "$D/s3cfg" ls | wc -l)" "the number of buckets left"

step "a folder of files through cairn object"
ok c pool create files
find tree -type f | head -n $some >some
while read -r f; do
    ok c object put files "$f" "$f"
done <some
diff <(sort some) <(c object ls files | sort) >differs || fail "object ls: $(head -n 5 differs)"
while read -r f; do
    c object get files "$f" | cmp - "$f" || fail "$f differs"
done <some

step "the stores are in order"
down
fsck_all
