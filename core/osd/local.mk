# core/osd - placement groups: replication, peering, recovery.
noinst_LIBRARIES += libcore_osd.a
libcore_osd_a_SOURCES = \
	core/osd/past_intervals.h \
	core/osd/peering.h \
	core/osd/pg_copy.h \
	core/osd/pg_log.h \
	core/osd/pg_merge.h \
	core/osd/pg_missing.h \
	core/osd/pg_sessions.h
