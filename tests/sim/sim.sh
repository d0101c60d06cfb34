#!/bin/sh
# sim.sh - clusters in the simulator: some seeds, some with gateways and buckets, every planted bug found.
#
# The short form is for make check: the seeds that caught a planted bug before come first (caught.txt).
# CAIRN_TEST_ALL runs the numbers that a release needs.
# timeout: 900
seeds=30 buckets=10 hints=$SRCDIR/tests/sim/caught.txt
test -z "$CAIRN_TEST_ALL" || { seeds=500 buckets=300 && hints=/dev/null; }

echo "1..3"
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
if "$BUILD/tests/sim/cairn-sim" --buckets --seeds $buckets; then
    echo "ok 3 - $buckets seeds with buckets are clean"
else
    echo "not ok 3 - $buckets seeds with buckets are clean"
fi
