# core/osd - placement groups: replication, peering, recovery.
noinst_LIBRARIES += libcore_osd.a
libcore_osd_a_SOURCES =
