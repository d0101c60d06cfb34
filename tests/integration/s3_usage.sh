#!/bin/bash
# timeout: 150
# Usage for bills: requests, bytes and what is held, by user and bucket; it outlives a kill but for
# the last seconds, and nothing is counted twice.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need curl

up
down
conf_add s3 "usage_flush_s = 1"
up

used() # used JQ: of the row of admin's bucket box
{
    c usage --bucket box --json >usage.json || fail "cairn usage"
    jq -r ".usage[] | select(.user == \"admin\") | $1" usage.json
}

uses() # uses JQ WANT
{
    test "$(used "$1")" = "$2"
}

step "requests and bytes"
same 200 "$(s3 PUT /box)" "create bucket"
head -c 100000 /dev/zero >upload
for i in 1 2 3; do same 200 "$(s3 PUT "/box/key$i" --data-binary @upload)" "PUT"; done
same 200 "$(s3 GET /box/key1)" "GET"
same 404 "$(s3 GET /box/none)" "GET of nothing"
same 200 "$(s3 GET /box)" "a listing"
same 200 "$(s3 GET /)" "a listing of buckets"
wait_for 10 "the PUTs are counted" uses .bytes_in 300000
same "3 2 1 1" "$(used '"\(.requests.put) \(.requests.get) \(.requests.list) \(.failed)"')" "requests of box"
test "$(used .bytes_out)" -gt 100000 || fail "bytes out: $(cat usage.json)"
c usage --user admin --json | jq -e '[.usage[] | select(.bucket == "")][0].requests.list >= 1' >/dev/null ||
    fail "ListBuckets is not counted: $(c usage --json)"

step "what is held"
wait_for 20 "a sample" uses .bytes 300000
same "3 300000" "$(used '"\(.objects) \(.byte_hours)"')" "what box holds"
c usage | grep -qE '^admin +box +[0-9]+ ' || fail "cairn usage: $(c usage)"

step "a kill and a stop"
kill_cluster
up
same 200 "$(s3 PUT /box/key4 --data-binary @upload)" "PUT"
same 300000 "$(used .bytes_in)" "bytes in after a kill"
down
up
same 400000 "$(used .bytes_in)" "bytes in after a stop"
sleep 3 # written again or not, nothing counts twice
same 400000 "$(used .bytes_in)" "bytes in later"
same "" "$(c usage --bucket box --to 2020-01-02 --from 2020-01-01 --json | jq -r '.usage[]')" "usage of another time"
refuses 2 "'2026-02-30' is no time" c usage --from 2026-02-30
refuses 2 'must be before' c usage --from 2026-02-03 --to 2026-02-02
refuses 2 usage c usage --from
ok c bucket check
