#!/bin/bash
# timeout: 900
# matrix.sh - real, unmodified clients against a cluster, each thing they can be asked to do a test
# case; and doc/s3-matrix.md, which says what works.  Full numbers: more files, every command a
# process of its own.  CAIRN_MATRIX=write: write the document; else its words: only these clients.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"

up
conf_add s3 'domain = s3.test'
down
up
source=$WORK/source
mkdir -p "$source/deep/er"
printf 'hello\n' >"$source/small"
: >"$source/empty"
printf 'x' >"$source/a b+c&d%25<e>"
printf 'y' >"$source/deep/ü ö.txt"
head -c 16384 /dev/urandom >"$source/deep/er/inline"
head -c 16385 /dev/urandom >"$source/deep/er/striped"
head -c 23456789 /dev/urandom >"$source/deep/er/big"

words=()
! all || words+=(--full)
case ${CAIRN_MATRIX-} in
write) words+=(--write) ;;
?*) words+=("$CAIRN_MATRIX") ;;
esac
python=/usr/bin/python3 # of Debian, with its boto3 and awscli, before any other
test -x $python || python=python3
$python "$SRCDIR/tests/clients/matrix.py" --data "$D" --cairn "$CAIRN" --source "$source" "${words[@]}"
status=$?
! grep -i ' error ' "$D/log" || fail "the log has errors"
down
fsck_all
exit $status
