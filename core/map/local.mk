# core/map - the cluster maps and their increments.
noinst_LIBRARIES += libcore_map.a
libcore_map_a_SOURCES = \
	core/map/osdmap.c \
	core/map/osdmap.h \
	core/map/osdmap_codec.c \
	core/map/osdmap_crush.c \
	core/map/osdmap_inc.c \
	core/map/types.c \
	core/map/types.h
