noinst_LIBRARIES += libcore_base.a
libcore_base_a_SOURCES = \
	core/base/arena.c \
	core/base/arena.h \
	core/base/assert.c \
	core/base/assert.h \
	core/base/base.h \
	core/base/buf.c \
	core/base/buf.h \
	core/base/crc.c \
	core/base/crc.h \
	core/base/cursor.c \
	core/base/cursor.h \
	core/base/hash.c \
	core/base/hash.h \
	core/base/htable.c \
	core/base/htable.h \
	core/base/json.h \
	core/base/list.h \
	core/base/log.h \
	core/base/mem.c \
	core/base/mem.h \
	core/base/metrics.h \
	core/base/note.c \
	core/base/note.h \
	core/base/option.def \
	core/base/option.h \
	core/base/reason.c \
	core/base/reason.def \
	core/base/reason.h \
	core/base/rng.c \
	core/base/rng.h \
	core/base/size.h \
	core/base/tree.h \
	core/base/writer.c
