# tests/integration - real processes and sockets.  Each script is one test: tests/driver runs it in
# a private folder of its own, one at a time, with $SRCDIR and $BUILD set, and bounds its time
# (a line `# timeout: SECONDS` in the script raises the bound).  Exit 77 skips; the last line printed
# says why.
INTEGRATION_TESTS = tests/integration/install.sh

check_SCRIPTS += $(INTEGRATION_TESTS)
EXTRA_DIST += $(INTEGRATION_TESTS)
