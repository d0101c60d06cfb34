# tests/unit - the macros behind which Criterion and cmocka stand, and one folder per module.
#
# A module's local.mk adds, for each test program:
#   check_PROGRAMS += tests/unit/base/test_buf
#   tests_unit_base_test_buf_SOURCES = tests/unit/base/test_buf.c
#   tests_unit_base_test_buf_LDADD = $(LINK_base) $(LINK_test)
check_LIBRARIES += tests/unit/libt.a
tests_unit_libt_a_SOURCES = tests/unit/t.h tests/unit/t.c tests/unit/main_cmocka.c
LINK_test = tests/unit/libt.a $(TESTLIB_LIBS)

include tests/unit/t/local.mk
include tests/unit/base/local.mk
include tests/unit/env/local.mk
include tests/unit/env_sim/local.mk
include tests/unit/env_real/local.mk
include tests/unit/crush/local.mk
include tests/unit/map/local.mk
include tests/unit/raft/local.mk
include tests/unit/proto/local.mk
include tests/unit/msgr/local.mk
include tests/unit/store/local.mk
include tests/unit/mon/local.mk
include tests/unit/osd/local.mk
include tests/unit/osd_role/local.mk
include tests/unit/client/local.mk
include tests/unit/s3/local.mk
include tests/unit/cli/local.mk
include tests/unit/sim/local.mk
