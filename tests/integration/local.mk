# tests/integration - real processes and sockets.  Each script is one test: tests/driver runs it in
# a private folder of its own, one at a time, with $SRCDIR and $BUILD set, and bounds its time
# (a line `# timeout: SECONDS` in the script raises the bound).  Exit 77 skips; the last line printed
# says why.
INTEGRATION_TESTS = \
	tests/integration/install.sh \
	tests/integration/up.sh \
	tests/integration/files.sh \
	tests/integration/failover.sh \
	tests/integration/daemons.sh \
	tests/integration/crash.sh \
	tests/integration/disk_full.sh \
	tests/integration/bitrot.sh \
	tests/integration/s3_access.sh \
	tests/integration/s3_copies.sh \
	tests/integration/s3_usage.sh \
	tests/integration/s3_users.sh \
	tests/integration/s3_shards.sh \
	tests/integration/s3_silent.sh \
	tests/integration/s3_hostile.sh \
	tests/integration/s3_https.sh \
	tests/integration/s3_crowd.sh

check_SCRIPTS += $(INTEGRATION_TESTS)
EXTRA_DIST += $(INTEGRATION_TESTS) \
	tests/integration/crush_x.py \
	tests/integration/lib.sh \
	tests/integration/prom_check.py \
	tests/integration/rot.py \
	tests/integration/xattr.py \
	tests/integration/s3_crowd.py \
	tests/integration/s3_hostile.py \
	tests/integration/s3_hostile_cases.py \
	tests/integration/s3_hostile_forms.py \
	tests/integration/s3_hostile_signed.py \
	tests/integration/s3_hostile_slow.py \
	tests/integration/s3_hostile_tls.py \
	tests/integration/s3load.py

# The load of the scripts: a program as anybody could write one, on the public header alone.
EXTRA_PROGRAMS += tests/integration/loadgen
TEST_HELPERS += tests/integration/loadgen
tests_integration_loadgen_SOURCES = \
	tests/integration/load_model.c \
	tests/integration/load_model.h \
	tests/integration/loadgen.c
tests_integration_loadgen_LDADD = $(LINK_client)
