# tests/unit/osd - unit tests of core/osd.

# The model is built with the planted bugs in the code it tests.
check_PROGRAMS += tests/unit/osd/test_peering_model
tests_unit_osd_test_peering_model_SOURCES = \
	core/base/plant.c \
	core/osd/past_intervals.c \
	core/osd/peering.c \
	core/osd/peering_active.c \
	core/osd/peering_choose.c \
	core/osd/peering_member.c \
	core/osd/peering_primary.c \
	core/osd/pg_copy.c \
	core/osd/pg_info_row.c \
	core/osd/pg_log.c \
	core/osd/pg_merge.c \
	core/osd/pg_missing.c \
	core/osd/pg_rows.c \
	core/osd/pg_sessions.c \
	tests/unit/osd/model.c \
	tests/unit/osd/model.h \
	tests/unit/osd/model_check.c \
	tests/unit/osd/model_disk.c \
	tests/unit/osd/model_io.c \
	tests/unit/osd/model_node.c \
	tests/unit/osd/test_peering_model.c
tests_unit_osd_test_peering_model_CPPFLAGS = $(AM_CPPFLAGS) -DCAIRN_PLANT
tests_unit_osd_test_peering_model_LDADD = $(LINK_proto) $(LINK_test)

check_PROGRAMS += tests/unit/osd/test_peering
tests_unit_osd_test_peering_SOURCES = \
	tests/unit/osd/osd_util.c \
	tests/unit/osd/osd_util.h \
	tests/unit/osd/test_past_intervals.c \
	tests/unit/osd/test_peering.c \
	tests/unit/osd/test_pg_log.c \
	tests/unit/osd/test_pg_merge.c
tests_unit_osd_test_peering_LDADD = $(LINK_osd) $(LINK_test)
