#!/bin/sh
# The checks of t.h fail when what they check does not hold, and tests/driver counts each case.
fail()
{
    echo "$*"
    sed 's/^/    /' t.log t.trs t.out
    exit 1
}

sh "$SRCDIR/tests/driver" --test-name tests/unit/t/t_failing --log-file t.log --trs-file t.trs \
    -- "$BUILD/tests/unit/t/t_failing" >t.out
test "$(grep -c '^:test-result: FAIL failing::' t.trs)" = 11 || fail "not all 11 checks failed"
test "$(grep -c '^:test-result: SKIP ' t.trs)" = 1 || fail "the skipped test was not counted"
grep -q '^:recheck: yes' t.trs || fail "a failed program would not be run again"
grep -q '(row 2)' t.log || fail "the row of the table is not named"
grep -q 'skipped: failing::skip: it is meant to be skipped' t.out || fail "no reason printed"

# A script is one case: 77 skips with its last line as the reason, a hang is stopped.
printf '#!/bin/sh\necho no such tool\nexit 77\n' >skips.sh
printf '#!/bin/sh\n# timeout: 1\nsleep 30\n' >hangs.sh
chmod +x skips.sh hangs.sh
for script in skips hangs; do
    sh "$SRCDIR/tests/driver" --test-name $script.sh --log-file t.log --trs-file t.trs \
        -- ./$script.sh >t.out
    case $script in
    skips) grep -q 'skipped: skips.sh: no such tool' t.out || fail "skip without its reason" ;;
    hangs) grep -q '^:test-result: FAIL' t.trs || fail "a hanging script passed" ;;
    esac
done
