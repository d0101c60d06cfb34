#!/bin/bash
# timeout: 300
# s3_clients.sh - s3cmd, aws and rclone of this machine against a running cluster: folders up, listed
# and down again, big files in parts, metadata, copies, deletes; and what all of them must refuse.
set -eu -o pipefail

skip()
{
    echo "$*"
    exit 77
}

fail()
{
    echo "$*" >&2
    tail -n 20 D/log >&2
    exit 1
}

test -x "$BUILD/cairn" || skip "cairn is not built"
"$BUILD/cairn" up --detach --data D --s3 127.0.0.1:0 || {
    grep -qs UNSUPPORTED D/log && skip "this build has no gateway"
    fail "cairn up failed"
}
# shellcheck disable=SC1091
. D/env
trap '"$BUILD/cairn" --data D down >/dev/null || :' EXIT # the folder goes only after it
unset AWS_CA_BUNDLE AWS_PROFILE AWS_CONFIG_FILE

# Folders with what makes keys hard, and a file of several parts that ends in an odd place.
mkdir -p in/deep/er
printf 'hello\n' >in/small
: >in/empty
printf 'x' >'in/a b+c&d%25<e>'
printf 'y' >'in/deep/ü ö.txt'
head -c 16384 /dev/urandom >in/deep/er/inline
head -c 16385 /dev/urandom >in/deep/er/striped
head -c 23456789 /dev/urandom >in/deep/er/big

same()
{
    diff -r in "$1" || fail "$1 is not what was sent"
    rm -rf "$1"
}

# --- aws ---------------------------------------------------------------------------------------------
if command -v aws >/dev/null; then
    a() { aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
    a s3 mb s3://for-aws
    a s3 cp --no-progress --recursive in s3://for-aws/tree
    a s3 cp --no-progress --recursive s3://for-aws/tree out
    same out
    test "$(a s3 ls --recursive s3://for-aws | wc -l)" -eq 7 || fail "aws s3 ls: not 7 keys"
    test "$(a s3 ls s3://for-aws/tree/ | grep -c PRE)" -eq 1 || fail "aws s3 ls: not one folder"
    a s3 cp --no-progress s3://for-aws/tree/deep/er/big s3://for-aws/copy
    a s3 cp --no-progress s3://for-aws/copy - | cmp - in/deep/er/big
    a s3api put-object --bucket for-aws --key meta --body in/small --metadata a=b \
        --content-type text/x --cache-control no-store >/dev/null
    a s3api head-object --bucket for-aws --key meta | grep -q '"a": "b"' || fail "no metadata"
    a s3api get-object --bucket for-aws --key meta --range bytes=1-3 part >/dev/null
    test "$(cat part)" = ell || fail "a range is wrong"
    if a s3api put-object --bucket for-aws --key meta --acl public-read >refused 2>&1; then
        fail "a public ACL was taken"
    fi
    grep -q NotImplemented refused || fail "a public ACL was refused otherwise: $(cat refused)"
    if AWS_SECRET_ACCESS_KEY=wrong a s3 ls >refused 2>&1; then
        fail "a wrong secret was taken"
    fi
    grep -q SignatureDoesNotMatch refused || fail "a wrong secret: $(cat refused)"
    if a s3 rb s3://for-aws >refused 2>&1; then
        fail "a bucket with objects was deleted"
    fi
    a s3 rm --quiet --recursive s3://for-aws
    a s3 rb s3://for-aws
fi

# --- s3cmd -------------------------------------------------------------------------------------------
if command -v s3cmd >/dev/null; then
    s() { s3cmd --no-progress -c D/s3cfg "$@"; }
    s mb s3://for-s3cmd
    s -q --multipart-chunk-size-mb=5 sync in/ s3://for-s3cmd/tree/
    mkdir out
    s -q sync s3://for-s3cmd/tree/ out/
    same out
    test "$(s ls -r s3://for-s3cmd | wc -l)" -eq 7 || fail "s3cmd ls: not 7 keys"
    s sync in/ s3://for-s3cmd/tree/ | grep -q '^upload' && fail "s3cmd sync sends what is there"
    s cp s3://for-s3cmd/tree/small s3://for-s3cmd/copied
    s mv s3://for-s3cmd/copied s3://for-s3cmd/moved
    s get --force s3://for-s3cmd/moved moved
    cmp moved in/small
    s info s3://for-s3cmd >/dev/null
    s info s3://for-s3cmd/moved >/dev/null
    s multipart s3://for-s3cmd >/dev/null
    s -q del --recursive --force s3://for-s3cmd
    s rb s3://for-s3cmd
fi

# --- rclone ------------------------------------------------------------------------------------------
if command -v rclone >/dev/null; then
    r() { rclone --config D/rclone.conf "$@"; }
    remote=$(sed -n 's/^\[\(.*\)\]$/\1/p' D/rclone.conf)
    r mkdir "$remote:for-rclone"
    r copy --s3-upload-cutoff 5M --s3-chunk-size 5M in "$remote:for-rclone/tree"
    r check --download in "$remote:for-rclone/tree"
    r copy "$remote:for-rclone/tree" out
    same out
    r copyto "$remote:for-rclone/tree/small" "$remote:for-rclone/copied"
    r moveto "$remote:for-rclone/copied" "$remote:for-rclone/moved"
    test "$(r cat "$remote:for-rclone/moved")" = hello || fail "rclone moveto"
    r purge "$remote:for-rclone"
fi

if grep -q -i ' error ' D/log; then
    fail "the log has errors"
fi
echo "s3cmd, aws and rclone get back what they sent"
