#!/bin/bash
# timeout: 240
# Copies share the data of their source: no bytes are written for them, each outlives the other, a kill in
# the middle of many leaves nothing that the checker would name.  When the list of who shares is damaged or
# gone, readers get their bytes and the checker says so.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need curl jq python3

up

copy() # copy FROM TO [CURL ARGS]
{
    local from=$1 to=$2
    shift 2

    s3 PUT "$to" -H "x-amz-copy-source: $from" "$@"
}

tag() # the ETag in what came
{
    grep -oE '[0-9a-f]{32}(-[0-9]+)?' "$1" | head -n 1
}

objects() # data objects in the cluster
{
    c object ls s3.data | wc -l
}

same_bytes() # same_bytes KEY FILE
{
    same 200 "$(s3 GET "$1")" "GET $1"
    cmp -s body "$2" || fail "$1 has other bytes than $2"
}

step "a whole object"
head -c 20000000 /dev/urandom >whole
same 200 "$(s3 PUT /box)" "create bucket"
same 200 "$(s3 PUT /other)" "create bucket"
same 200 "$(s3 PUT /box/whole --upload-file whole -H 'x-amz-meta-a: 1')" "PUT"
etag=$(md5sum <whole | cut -d' ' -f1)
before=$(objects)
same 200 "$(copy /box/whole /other/copy)" "copy to another bucket"
same "$etag" "$(tag body)" "ETag of a copy"
same 200 "$(copy /other/copy /box/whole -H 'x-amz-metadata-directive: REPLACE')" "copy over the source"
same "$before" "$(objects)" "data objects after copies"
same_bytes /box/whole whole
same 204 "$(s3 DELETE /box/whole)" "delete the source"
same_bytes /other/copy whole
grep -qi '^x-amz-meta-a: 1' head || fail "the copy lacks its metadata: $(cat head)"
same 200 "$(copy /other/copy /box/sum -H 'x-amz-checksum-algorithm: SHA256')" "copy with another checksum"
test "$(objects)" -gt "$before" || fail "a checksum was made of no bytes"

step "an object of parts"
head -c 6000000 whole >part1
tail -c +6000001 whole >part2
same 200 "$(s3 POST '/box/parts?uploads=')" "begin"
id=$(grep -oE '<UploadId>[^<]*' body | cut -d'>' -f2)
list=
for n in 1 2; do
    same 200 "$(s3 PUT "/box/parts?partNumber=$n&uploadId=$id" --upload-file part$n)" "part $n"
    list="$list<Part><PartNumber>$n</PartNumber><ETag>$(tag head)</ETag></Part>"
done
same 200 "$(s3 POST "/box/parts?uploadId=$id" -d "<CompleteMultipartUpload>$list</CompleteMultipartUpload>")" "complete"
etag=$(tag body)
before=$(objects)
same 200 "$(copy /box/parts /box/parts2)" "copy"
same "$etag" "$(tag body)" "ETag of the copy, which has parts, too"
same "$before" "$(objects)" "data objects after the copy"
same 204 "$(s3 DELETE /box/parts)" "delete the source"
same_bytes /box/parts2 whole
same 206 "$(s3 GET '/box/parts2?partNumber=2')" "a part of the copy"
cmp -s body part2 || fail "the copy has other parts"
ok c bucket check

many()
{
    test "$(wc -l <rounds)" -ge 45
}

: >rounds
step "everything is killed among many copies"
(
    trap exit TERM
    for ((i = 0; ; i++)); do
        copy /other/copy "/box/n$((i % 40))" >/dev/null
        copy "/box/n$((i % 7))" /box/parts2 >/dev/null
        s3 DELETE "/box/n$((i % 13))" >/dev/null
        echo >>rounds
    done
) &
copies=$!
wait_for 120 "many copies" many
kill_cluster
kill $copies
wait $copies 2>/dev/null
up
same_bytes /other/copy whole
same_bytes /box/parts2 whole
same 200 "$(copy /box/parts2 /box/again)" "copy after the kill"
same_bytes /box/again whole
ok c bucket check
c bucket stat box --json | jq -e '.objects > 20' >/dev/null || fail "few copies: $(c bucket stat box)"

refs() # refs get|set|rm [OBJECT [HEX]]: the list of who shares data objects
{
    local what=$1
    shift

    python3 "$SRCDIR/tests/integration/xattr.py" "$BUILD/libcairn.so" "$D/cairn.conf" "$what" s3.data refs "$@" ||
        fail "refs $what"
}

named() # named TEXT [--offline]: the checker exits with 1, and says it
{
    local text=$1
    shift

    c bucket check "$@" >check.txt
    same 1 $? "bucket check $*: $(cat check.txt)"
    grep -q "$text" check.txt || fail "bucket check $* does not say '$text': $(cat check.txt)"
}

step "a list that is gone, or damaged"
test -e "$BUILD/libcairn.so" || fail "there is no $BUILD/libcairn.so"
c object ls s3.data | grep '\.0$' >firsts
xargs -a firsts python3 "$SRCDIR/tests/integration/xattr.py" "$BUILD/libcairn.so" "$D/cairn.conf" get s3.data refs |
    awk '{ print length($2), $0 }' | sort -rn | cut -d' ' -f2- >lists # first the one that most share
test "$(wc -l <lists)" -ge 2 || fail "few lists: $(cat lists)"
read -r first list <lists
refs rm "$first"
same_bytes /other/copy whole
same_bytes /box/parts2 whole
named "is not among those for whom the data objects ${first%0}"
down
named "is not among those for whom the data objects ${first%0}" --offline
up
# shellcheck disable=SC1091
. "$D/env"
S3=$AWS_ENDPOINT_URL
while read -r object value; do
    refs set "$object" "ff${value#??}"
done <lists
same_bytes /other/copy whole
same_bytes /box/parts2 whole
named "who refers to $first cannot be read"
before=$(objects)
same 200 "$(copy /box/parts2 /box/bytes)" "copy of what has a damaged list"
same_bytes /box/bytes whole
test "$(objects)" -gt "$before" || fail "a damaged list took one more in"
down
named "who refers to $first cannot be read" --offline
up
# shellcheck disable=SC1091
. "$D/env"
S3=$AWS_ENDPOINT_URL
while read -r object value; do
    refs set "$object" "$value"
done <lists
ok c bucket check
down
c bucket check --offline >check.txt || fail "offline: $(cat check.txt)"
