#!/bin/sh
# sim.sh - clusters in the simulator: some seeds, and every planted bug found.
#
# The short form is for make check: the seeds that caught a planted bug before come first (caught.txt).
# CAIRN_TEST_ALL runs the numbers that a release needs.
# timeout: 600
seeds=30 hints=$SRCDIR/tests/sim/caught.txt
test -z "$CAIRN_TEST_ALL" || { seeds=500 && hints=/dev/null; }

echo "1..2"
if "$BUILD/tests/sim/cairn-sim" --seeds $seeds --regressions "$SRCDIR/tests/sim/regressions.txt"; then
    echo "ok 1 - $seeds seeds are clean"
else
    echo "not ok 1 - $seeds seeds are clean"
fi
if "$BUILD/tests/sim/cairn-sim" --plants --seeds 200 --hints "$hints"; then
    echo "ok 2 - each planted bug is caught"
else
    echo "not ok 2 - each planted bug is caught"
fi
