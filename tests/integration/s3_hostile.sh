#!/bin/bash
# timeout: 480
# s3_hostile.sh - hostile input to a gateway that is a process of its own: exact answers, nothing
# stored, connections as they must be, memory flat, others served; and no error in its log.
. "${SRCDIR:-$(dirname "$0")/../..}/tests/integration/lib.sh"

rounds=${CAIRN_ROUNDS-3}
slow=()
! all || { rounds=50 && slow=(--slow); }
many_up 1 3
python3 "$SRCDIR/tests/integration/s3_hostile.py" --env "$D/env" --pid "${ROLE_PID[s3.0]}" --rounds "$rounds" "${slow[@]}" \
    ${CAIRN_ONLY:+--only "$CAIRN_ONLY"}
status=$?
! grep -i ' error ' "$WORK/s3.0.err" || fail "the gateway's log has errors"
exit $status
