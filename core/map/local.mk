# core/map - the cluster maps and their increments.
noinst_LIBRARIES += libcore_map.a
libcore_map_a_SOURCES = \
	core/map/osdmap.h \
	core/map/types.h
