#!/bin/bash
# timeout: 480
# Users as an operator keeps them: several keys, keys from elsewhere, rotation, suspension, removal;
# each counts on the gateway within the time that is stated.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need curl

WITHIN=12 # seconds: ten as stated, and time to ask

up
S3=$(sed -n "s/^export AWS_ENDPOINT_URL='\(.*\)'/\1/p" "$D/env")

s3() # s3 ACCESS SECRET METHOD TARGET [CURL ARGS]: the answer's body, its status on a line behind it
{
    local keys=$1:$2 method=$3 target=$4
    shift 4

    curl -s --aws-sigv4 aws:amz:us-east-1:s3 -u "$keys" -X "$method" -w '\n%{http_code}\n' \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" "$S3$target"
}

answers() # answers REGEX S3 ARGS...: the answer holds it
{
    local regex=$1
    shift

    s3 "$@" >answer || return 1
    grep -qE -- "$regex" answer
}

step "a user with a key from elsewhere, and one of ours"
printf 'a/secret+of=mine\n' | c user create ann MOVED.KEY >ann.txt || fail "the pair is not taken over"
! grep -q secret ann.txt || fail "the secret that was given is shown: $(cat ann.txt)"
refuses 1 'standard input' c user key add ann OTHER.KEY
printf 'a/secret+of=mine\n' | c user create eve MOVED.KEY 2>said && fail "a key has two users"
grep -q 'in use' said || fail "of a key in use: $(cat said)"
c user key add ann --json >key.json || fail "no second key"
ACCESS=$(jq -r .access_key key.json) SECRET=$(jq -r .secret_key key.json)
same 2 "$(c user info ann --json | jq '.keys | length')" "the number of ann's keys"
same "MOVED.KEY $ACCESS" "$(c user key ls ann | tr '\n' ' ' | sed 's/ $//')" "ann's keys"
same ann "$(c user find MOVED.KEY)" "the user of a key"
same ann "$(c user find MOVED.KEY --json | jq -r .user)" "the user of a key, as JSON"
! c user find MOVED.KEY --json | grep -q secret || fail "a secret is shown again"
answers '^200$' MOVED.KEY a/secret+of=mine PUT /anns || fail "ann's own key: $(cat answer)"
answers 'anns' "$ACCESS" "$SECRET" GET / || fail "ann's second key: $(cat answer)"
answers SignatureDoesNotMatch MOVED.KEY "$SECRET" GET / || fail "keys are mixed up: $(cat answer)"

step "a suspended user is refused, an enabled one is served"
ok c user suspend ann
wait_for $WITHIN "ann is refused" answers AccessDenied MOVED.KEY a/secret+of=mine GET /
wait_for $WITHIN "by both keys" answers AccessDenied "$ACCESS" "$SECRET" GET /
c user list | grep -q 'ann.*suspended' || fail "the list does not say it: $(c user list)"
ok c user enable ann
wait_for $WITHIN "ann is served" answers anns MOVED.KEY a/secret+of=mine GET /
wait_for $WITHIN "with both keys" answers anns "$ACCESS" "$SECRET" GET /

step "a removed key is unknown, the other one goes on"
ok c user key rm ann MOVED.KEY
wait_for $WITHIN "the key is unknown" answers InvalidAccessKeyId MOVED.KEY a/secret+of=mine GET /
answers '^200$' "$ACCESS" "$SECRET" GET / || fail "the other key: $(cat answer)"
refuses 1 'no such access key' c user key rm ann MOVED.KEY

step "keys rotate under load, and no request is refused"
rotated() # the keys that programs use from now on
{
    printf '%s %s\n' "$ACCESS" "$SECRET" >keys.new && mv keys.new keys
}
rotated
start load bash -c 'while test ! -e enough; do
    read -r access secret <keys
    curl -s --aws-sigv4 aws:amz:us-east-1:s3 -u "$access:$secret" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" \
        -o /dev/null -w "%{http_code}\n" "$1/anns"
done' load "$S3"
for i in 1 2 3 4; do
    old=$ACCESS
    c user key add ann --json >key.json || fail "no new key"
    ACCESS=$(jq -r .access_key key.json) SECRET=$(jq -r .secret_key key.json)
    rotated
    sleep 0.5 # requests that were begun with the old one end
    ok c user key rm ann "$old"
done
wait_for $WITHIN "the last old key is unknown" answers InvalidAccessKeyId "$old" none GET /
touch enough
wait "$STARTED"
test "$(grep -c '^200$' load.out)" -gt 50 || fail "hardly a request: $(wc -l <load.out)"
! grep -v '^200$' load.out || fail "requests were refused while keys rotated"

step "quotas"
put() # put KEY BYTES
{
    head -c "$2" /dev/zero >body
    s3 "$ACCESS" "$SECRET" PUT "/anns/$1" --data-binary @body >answer
    grep -qE "${3-^200$}" answer
}
put a 60000 || fail "PUT: $(cat answer)"
c bucket stat anns >stat.txt || fail "bucket stat"
same "ann 1 60000 null" "$(c bucket stat anns --json | jq -r '"\(.owner) \(.objects) \(.bytes) \(.quota.bytes)"')" "bucket stat anns"
c bucket ls | grep -qE '^20[^ ]* ann +anns$' || fail "bucket ls: $(c bucket ls)"
refuses 1 'no user nobody' c bucket ls nobody
same anns "$(c bucket ls ann --json | jq -r '.[].bucket')" "bucket ls ann"
ok c bucket quota anns bytes 100K --objects 3
same "102400 3" "$(c bucket quota anns --json | jq -r '"\(.bytes) \(.objects)"')" "the quota of anns"
wait_for 8 "the quota holds" put a 60000 '<Code>QuotaExceeded</Code>'
grep -q '^403$' answer || fail "QuotaExceeded is not 403: $(cat answer)"
put b 40000 || fail "PUT within the quota: $(cat answer)"
put c 4000 QuotaExceeded || fail "PUT beyond the quota: $(cat answer)"
answers '^204$' "$ACCESS" "$SECRET" DELETE /anns/a || fail "DELETE: $(cat answer)"
put c 40000 || fail "PUT after a DELETE: $(cat answer)"
put d 0 || fail "the third object: $(cat answer)"
put e 0 QuotaExceeded || fail "the fourth object: $(cat answer)"
ok c bucket quota anns objects none
answers '<UploadId>' "$ACCESS" "$SECRET" POST "/anns/parts?uploads=" || fail "an upload: $(cat answer)"
upload=$(sed -n 's/.*<UploadId>\([^<]*\)<.*/\1/p' answer)
head -c 10000 /dev/zero >body
answers '^200$' "$ACCESS" "$SECRET" PUT "/anns/parts?partNumber=1&uploadId=$upload" --data-binary @body || fail "a part: $(cat answer)"
same 10000 "$(c bucket stat anns --json | jq .part_bytes)" "bytes of parts"
put c 15000 QuotaExceeded || fail "PUT beside a part: $(cat answer)"
answers '^204$' "$ACCESS" "$SECRET" DELETE "/anns/parts?uploadId=$upload" || fail "abort: $(cat answer)"
put c 15000 || fail "PUT after an abort: $(cat answer)"
ok c bucket quota anns bytes 2T objects 10K
c bucket quota anns >quota.txt || fail "bucket quota"
same "bytes 2199023255552 (2.0 TiB) objects 10000" "$(tr -s ' \n' ' ' <quota.txt | sed 's/ $//')" "bucket quota"
ok c bucket quota anns bytes none objects none
ok c user quota ann bytes 1G objects 2M
same "1073741824 2000000" "$(c user quota ann --json | jq -r '"\(.bytes) \(.objects)"')" "the quota of ann"
ok c user quota ann bytes none
refuses 2 "no such command: 'user frobnicate'" c user frobnicate
refuses 2 "no such command: 'bucket frobnicate'" c bucket frobnicate anns
ok c user quota ann objects 4
wait_for $WITHIN "the quota of the bucket is lifted" put e 0
wait_for $WITHIN "the quota of the user holds" put f 0 QuotaExceeded
refuses 1 'no bucket none' c bucket stat none
refuses 1 'no bucket none' c bucket quota none bytes 1
for what in 'bucket quota anns' 'user quota ann'; do
    # shellcheck disable=SC2086
    refuses 2 'bytes must be none, or a number above 0' c $what bytes 0
    # shellcheck disable=SC2086
    refuses 2 'objects must be none, or a number above 0' c $what bytes 1G objects many
    # shellcheck disable=SC2086
    refuses 2 usage c $what bytes
    # shellcheck disable=SC2086
    refuses 2 usage c $what pages 7
done
refuses 2 "name has 1 to 64" c user create 'no name'
ok c user quota ann objects none
for key in b c d e f; do
    answers '^204$' "$ACCESS" "$SECRET" DELETE "/anns/$key" || fail "DELETE: $(cat answer)"
done

step "a user who owns a bucket stays"
refuses 1 'owns 1 bucket .*anns' c user rm ann
refuses 2 usage c user rm
answers '^204$' "$ACCESS" "$SECRET" DELETE /anns || fail "delete bucket: $(cat answer)"
ok c user rm ann
wait_for $WITHIN "the user is unknown" answers InvalidAccessKeyId "$ACCESS" "$SECRET" GET /
refuses 1 'no user ann' c user info ann
c user create ben --json >key.json || fail "no ben"
ACCESS=$(jq -r .access_key key.json) SECRET=$(jq -r .secret_key key.json)
answers '^200$' "$ACCESS" "$SECRET" PUT /bens || fail "create bucket: $(cat answer)"
ok c user rm ben --force

step "the administrator's key comes back when its files are lost"
down
rm "$D/env" "$D/s3cfg" "$D/rclone.conf"
up
S3=$(sed -n "s/^export AWS_ENDPOINT_URL='\(.*\)'/\1/p" "$D/env")
# shellcheck disable=SC1091
. "$D/env"
answers '^200$' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" GET / || fail "admin: $(cat answer)"
down
