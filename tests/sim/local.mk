# tests/sim - whole clusters in one thread on the simulated environment.
#
# SIM_TESTS are scripts that run seeds; one that prints TAP counts each of its cases.
SIM_TESTS =

check_SCRIPTS += $(SIM_TESTS)
EXTRA_DIST += $(SIM_TESTS)
