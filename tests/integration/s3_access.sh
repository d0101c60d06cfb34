#!/bin/bash
# timeout: 480
# What a gateway tells of its requests: the access log in both forms, rotated by renaming, and the
# page of metrics.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need curl python3

free_port() # free_port: one that nobody listens on now
{
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

lines() # lines N FILE: it has so many
{
    test "$(wc -l <"$2")" -eq "$1"
}

up
down
METRICS=127.0.0.1:$(free_port)
conf_add s3 "access_log = $WORK/access.log
metrics_addr = $METRICS"
up
# shellcheck disable=SC1091
. "$D/env"
HOST=${AWS_ENDPOINT_URL#http://}

step "a line for each request"
same 200 "$(s3 PUT /box)" "the answer to create bucket"
same 200 "$(s3 PUT /box/a%20key --data-binary hello -A 'a "b"')" "the answer to PUT"
same 200 "$(s3 GET /box/a%20key)" "the answer to GET"
same 404 "$(s3 GET /box/none)" "the answer to GET of nothing"
same 400 "$(curl -s -o /dev/null -w '%{http_code}' "http://$HOST/box/a%20key?X-Amz-Signature=5ec3e7&Signature=5ec3e7")" \
    "the answer to a signature that is none"
wait_for 5 "five lines" lines 5 access.log
grep -qE '^admin box \[[^]]*\] 127\.0\.0\.1 admin [0-9A-F]{16} REST\.PUT\.OBJECT a%20key "PUT /box/a%20key HTTP/1\.1" 200 - - 5 [0-9]+ [0-9]+ "-" "a %22b%22" - [0-9a-f]{16} SigV4 - AuthHeader 127\.0\.0\.1:[0-9]+ - - -$' access.log ||
    fail "the line of PUT: $(cat access.log)"
grep -q ' REST.GET.OBJECT a%20key "GET /box/a%20key HTTP/1.1" 200 - 5 5 ' access.log || fail "the line of GET: $(cat access.log)"
grep -q ' 404 NoSuchKey ' access.log || fail "the line of a 404: $(cat access.log)"
! grep -q -e 5ec3e7 -e "$AWS_SECRET_ACCESS_KEY" access.log || fail "a secret is in the log"

step "a renamed file is left behind"
mv access.log access.log.1
same 204 "$(s3 DELETE /box/a%20key)" "the answer to DELETE"
wait_for 5 "a new file" test -s access.log
lines 5 access.log.1 || fail "the old file grew"

step "metrics"
curl -s "http://$METRICS/metrics" >page || fail "no metrics"
grep -qF 's3_op_requests_total{role="s3",op="PutObject",status="200"} 1' page || fail "PUT: $(grep -v '^#' page)"
grep -qF 's3_op_requests_total{role="s3",op="GetObject",status="404"} 1' page || fail "GET 404: $(grep -v '^#' page)"
grep -qF 's3_error_codes_total{role="s3",code="NoSuchKey"} 1' page || fail "NoSuchKey: $(grep -v '^#' page)"
grep -qF 's3_op_seconds_count{role="s3",op="PutObject",status="2xx"} 1' page || fail "seconds: $(grep -v '^#' page)"
ok python3 "$SRCDIR/tests/integration/prom_check.py" page 'mon_leads{role="mon",id="0"}' 's3_http_active{role="s3",listener="http"}' \
    'msgr_sent_bytes_total{role="mon",id="0"}' {osd_writes_total,osd_read_seconds_count,store_txns_total,msgr_resent_total}'{role="osd",id="'{0,1,2}'"}'
same 404 "$(curl -s -o /dev/null -w '%{http_code}' "http://$METRICS/")" "the answer to another path"
same 404 "$(curl -s -o /dev/null -w '%{http_code}' -d x "http://$METRICS/metrics")" "the answer to POST"

step "an OSD that is stopped leaves the page, and comes back to it"
shows() # shows REGEX: the page has such a line
{
    curl -s "http://$METRICS/metrics" >page && grep -qE "$1" page
}
hides()
{
    curl -s "http://$METRICS/metrics" >page && ! grep -qE "$1" page
}
ok "$CAIRN" --data "$D" osd stop 1
wait_for 20 "osd.1 is not on the page" hides 'role="osd",id="1"'
ok python3 "$SRCDIR/tests/integration/prom_check.py" page 'osd_writes_total{role="osd",id="2"}'
ok "$CAIRN" --data "$D" osd start 1
wait_for 20 "osd.1 is on the page" shows '^osd_writes_total.*role="osd",id="1"'

step "JSON"
down
printf '\naccess_log_format = json\n' >>"$D/cairn.conf"
rm access.log
up
HOST=$(sed -n "s/^export AWS_ENDPOINT_URL='http:\/\/\(.*\)'/\1/p" "$D/env")
same 200 "$(s3 GET /box)" "the answer to a listing"
wait_for 5 "a line" test -s access.log
jq -e '.operation == "REST.GET.BUCKET" and .http_status == 200 and .requester == "admin" and .error_code == null and
    (.bytes_sent > 100) and (.total_time_ms >= .turn_around_time_ms)' access.log >/dev/null || fail "$(cat access.log)"

step "a bad form is refused"
down
sed -i 's/^access_log_format = .*/access_log_format = xml/' "$D/cairn.conf"
refuses 1 's3 or json' "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0
