# core/store - journal, onodes and extents of one disk.
noinst_LIBRARIES += libcore_store.a
libcore_store_a_SOURCES = \
	core/store/blocks.c \
	core/store/cache.c \
	core/store/checkpoint.c \
	core/store/deferred.c \
	core/store/extent.c \
	core/store/extent.h \
	core/store/format.c \
	core/store/format.h \
	core/store/fsck.c \
	core/store/grow.c \
	core/store/journal.c \
	core/store/kvread.c \
	core/store/list.c \
	core/store/object.c \
	core/store/omap.c \
	core/store/omap_cache.c \
	core/store/onode.c \
	core/store/open.c \
	core/store/overlay.c \
	core/store/read.c \
	core/store/read.h \
	core/store/replay.c \
	core/store/replay.h \
	core/store/resolve.c \
	core/store/salvage.c \
	core/store/space.c \
	core/store/store.c \
	core/store/store.h \
	core/store/store_int.h \
	core/store/submit.c \
	core/store/txn.c \
	core/store/txn.h
