# core/osd - placement groups: replication, peering, recovery.
noinst_LIBRARIES += libcore_osd.a
libcore_osd_a_SOURCES = \
	core/osd/past_intervals.c \
	core/osd/past_intervals.h \
	core/osd/peering.c \
	core/osd/peering.h \
	core/osd/peering_active.c \
	core/osd/peering_choose.c \
	core/osd/peering_int.h \
	core/osd/peering_member.c \
	core/osd/peering_primary.c \
	core/osd/pg_copy.c \
	core/osd/pg_copy.h \
	core/osd/pg_info_row.c \
	core/osd/pg_log.c \
	core/osd/pg_log.h \
	core/osd/pg_merge.c \
	core/osd/pg_merge.h \
	core/osd/pg_missing.c \
	core/osd/pg_missing.h \
	core/osd/pg_rows.c \
	core/osd/pg_rows.h \
	core/osd/pg_sessions.c \
	core/osd/pg_sessions.h
