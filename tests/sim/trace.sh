#!/bin/sh
# trace.sh - one seed, one trace, whichever compiler built the simulator, however it optimizes.
#
# Builds it once more with the other one of gcc and clang, so only with CAIRN_TEST_ALL.
# timeout: 900
if test -z "$CAIRN_TEST_ALL"; then
    echo "builds with a second compiler: only with CAIRN_TEST_ALL"
    exit 77
fi
other=clang
! grep -q '^CC = .*clang' "$BUILD/Makefile" || other=gcc
if ! command -v "$other" >/dev/null; then
    echo "there is no $other"
    exit 77
fi

unset MAKEFLAGS MAKELEVEL MFLAGS
mkdir other && cd other || exit 1
cxx=$(echo "$other" | sed 's/gcc/g++/; s/clang/clang++/')
if ! { "$SRCDIR/configure" CC="$other" CXX="$cxx" CFLAGS=-O1 CXXFLAGS=-O1 &&
    make -j2 tests/sim/cairn-sim; } >build.log 2>&1; then
    tail -n 20 build.log
    echo "1..1"
    echo "not ok 1 - $other builds the simulator"
    exit 1
fi
cd ..

# The line that --verbose ends with, without its CPU time.
trace()
{
    "$1" --seed "$2" --verbose 2>/dev/null | sed -n 's/.*trace \(.*virtual seconds\).*/\1/p'
}

seeds="1 2 6 7 14"
echo "1..5"
i=0
for seed in $seeds; do
    i=$((i + 1))
    ours=$(trace "$BUILD/tests/sim/cairn-sim" "$seed")
    theirs=$(trace other/tests/sim/cairn-sim "$seed")
    if test -n "$ours" && test "$ours" = "$theirs"; then
        echo "ok $i - seed $seed has one trace"
    else
        echo "not ok $i - seed $seed has one trace: $ours, with $other $theirs"
    fi
done
