#!/bin/bash
# HTTPS as an operator runs it: beside HTTP, with certificates that are exchanged under way; buckets
# in host names; what clients send over HTTPS only (trailing checksums in chunks).
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"
need curl openssl python3
unset AWS_CA_BUNDLE CURL_CA_BUNDLE SSL_CERT_FILE REQUESTS_CA_BUNDLE

certificate() # certificate NAME: for our address and domain, in cert.pem and key.pem at once
{
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
        -addext 'subjectAltName=IP:127.0.0.1,DNS:s3.example.org,DNS:*.s3.example.org' \
        -keyout new-key.pem -out new-cert.pem 2>openssl.err || fail "openssl: $(cat openssl.err)"
    test ! -e every.pem || cat new-cert.pem >>every.pem # who watches believes it before it is shown
    mv new-key.pem key.pem && mv new-cert.pem cert.pem
}

shown() # the name in the certificate that is shown to new connections
{
    openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null | sed -n 's/^subject=CN = //p'
}

shows() # shows NAME
{
    test "$(shown)" = "$1"
}

s3() # s3 URL [CURL ARGS]
{
    local url=$1
    shift

    curl -sf --cacert cert.pem --aws-sigv4 aws:amz:us-east-1:s3 -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
        -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" "$url"
}

step "HTTPS beside HTTP"
up
down
PORT=$(free_ports 1)
certificate one
conf_add s3 "tls_addr = 127.0.0.1:$PORT
tls_cert = $WORK/cert.pem
tls_key = $WORK/key.pem
access_log = $WORK/access
domain = s3.example.org"
up
. "$D/env"
TLS=https://127.0.0.1:$PORT
mib 20 big
ok s3 "$TLS/pics" -X PUT
ok s3 "$TLS/pics/big" -T big
ok s3 "$AWS_ENDPOINT_URL/pics/big" -o got
cmp big got || fail "what came by HTTPS is not what HTTP gives"
openssl s_client -connect "127.0.0.1:$PORT" -alpn h2,http/1.1 </dev/null 2>/dev/null | grep -q 'ALPN protocol: http/1.1' ||
    fail "no http/1.1 by ALPN"
openssl s_client -connect "127.0.0.1:$PORT" -tls1_1 </dev/null 2>/dev/null | grep -q 'Cipher is (NONE)' ||
    fail "TLS 1.1 is spoken"

wait_for 10 "the access log tells how it was encrypted" grep -q 'PUT /pics .*TLS_AES_128_GCM_SHA256 .* TLSv1.3' access

step "an object's address, told to who made it by HTTPS, is of HTTPS"
ok s3 "$TLS/pics/parts?uploads=" -X POST -o upload.xml
UPLOAD=$(sed -n 's/.*<UploadId>\([^<]*\)<.*/\1/p' upload.xml)
ok s3 "$TLS/pics/parts?partNumber=1&uploadId=$UPLOAD" -T cert.pem -D part.head -o part.body
ETAG=$(sed -n 's/^etag: "\(.*\)".*/\1/Ip' part.head)
ok s3 "$TLS/pics/parts?uploadId=$UPLOAD" -X POST -o done.xml --data-binary \
    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>$ETAG</ETag></Part></CompleteMultipartUpload>"
grep -qF "<Location>$TLS/pics/parts</Location>" done.xml || fail "another address: $(cat done.xml)"

step "a bucket in the host name"
ok s3 "https://pics.s3.example.org:$PORT/big" --resolve "pics.s3.example.org:$PORT:127.0.0.1" -o got
cmp big got || fail "another object by the host name"

if command -v aws >/dev/null; then
    step "the AWS CLI by HTTPS, with every checksum it can make"
    export AWS_CA_BUNDLE=$WORK/cert.pem
    ok aws --endpoint-url "$TLS" s3 cp big s3://pics/by-aws --no-progress
    for sum in CRC32 SHA1 SHA256; do
        ok aws --endpoint-url "$TLS" s3api put-object --bucket pics --key "$sum" --body big --checksum-algorithm "$sum"
        ok aws --endpoint-url "$TLS" s3api get-object --bucket pics --key "$sum" got
        cmp big got || fail "another object with $sum"
    done
    unset AWS_CA_BUNDLE
fi

step "what is no TLS, or none that anybody should speak"
hostile=(python3 "$SRCDIR/tests/integration/s3_hostile_tls.py" --env "$D/env" --port "$PORT")
! all || hostile+=(--slow)
ok "${hostile[@]}" --cert cert.pem

step "certificates exchanged under load: no request fails"
cp cert.pem every.pem
start load "${hostile[@]}" --cert every.pem --load $((${CAIRN_TEST_ALL:+50} + 10))
for name in four five six seven eight nine ten; do
    certificate "$name"
    kill -HUP "$CAIRN_PID"
    wait_for 10 "certificate $name is shown" shows "$name"
done
wait "$STARTED" || fail "under load: $(cat load.out)"
kill -0 "$CAIRN_PID" || fail "the gateway is gone"

step "a certificate exchanged by a signal, under a download"
cp cert.pem first.pem
start download curl -sf --cacert first.pem --limit-rate 8M --aws-sigv4 aws:amz:us-east-1:s3 \
    -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' -o slow "$TLS/pics/big"
sleep 0.5
certificate two
kill -HUP "$CAIRN_PID"
wait_for 5 "the new certificate is shown" shows two
kill -0 "$STARTED" 2>/dev/null || fail "the download was over before the exchange"
ok s3 "$TLS/pics" -o list
wait "$STARTED" || fail "the download was dropped"
cmp big slow || fail "the download is not whole"

step "a certificate exchanged by its files alone"
certificate three
wait_for 15 "the new certificate is shown" shows three

step "files that do not fit together change nothing"
cp key.pem key.good
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
kill -HUP "$CAIRN_PID"
wait_for 5 "the log tells" grep -q 'keeping the certificate' "$D/log"
same three "$(shown)" "the certificate shown"
down
refuses 1 'HTTPS cannot begin.*certificate and key' "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0
mv key.pem away.pem
refuses 1 'HTTPS cannot begin.*key.pem' "$CAIRN" --data "$D" up --detach --s3 127.0.0.1:0
mv key.good key.pem
up
shows three || fail "it does not begin with the right key again"

step "a gateway of its own that speaks HTTPS only"
OWN=$(free_ports 1)
sed '/^access_log/d' "$D/cairn.conf" >own.conf
printf '[s3.7]\naddr = off\n[s3.7]\ntls_addr = 127.0.0.1:%s\n' "$OWN" >>own.conf
start gateway "$CAIRND" s3 --conf own.conf --id 7
wait_for 20 "it is ready" grep -q "ready on 127.0.0.1:$OWN" gateway.out
ok s3 "https://127.0.0.1:$OWN/pics/big" -o got
cmp big got || fail "another object by the second gateway"
stop "$STARTED" || fail "it does not stop cleanly"
printf '[s3.8]\naddr = off\n[s3.8]\ntls_addr =\n' >>own.conf
refuses 1 's3.addr is off: name an address' "$CAIRND" s3 --conf own.conf --id 8
down
