noinst_LIBRARIES += libcore_base.a
libcore_base_a_SOURCES = \
	core/base/addr.c \
	core/base/addr.h \
	core/base/arena.c \
	core/base/arena.h \
	core/base/assert.c \
	core/base/assert.h \
	core/base/base.h \
	core/base/buf.c \
	core/base/buf.h \
	core/base/crc.c \
	core/base/crc32.c \
	core/base/crc.h \
	core/base/crc64.c \
	core/base/crc_join.h \
	core/base/cursor.c \
	core/base/cursor.h \
	core/base/hash.c \
	core/base/hash.h \
	core/base/htable.c \
	core/base/htable.h \
	core/base/json.c \
	core/base/json.h \
	core/base/list.h \
	core/base/log.c \
	core/base/log.h \
	core/base/mem.c \
	core/base/mem.h \
	core/base/metrics.c \
	core/base/metrics.h \
	core/base/note.c \
	core/base/note.h \
	core/base/option.c \
	core/base/option.def \
	core/base/option.h \
	core/base/option_fsid.c \
	core/base/option_print.c \
	core/base/pages.c \
	core/base/pages.h \
	core/base/plant.c \
	core/base/plant.h \
	core/base/reason.c \
	core/base/reason.def \
	core/base/reason.h \
	core/base/rng.c \
	core/base/rng.h \
	core/base/size.c \
	core/base/size.h \
	core/base/tree.h \
	core/base/utf8.c \
	core/base/utf8.h \
	core/base/writer.c

# Writes the documents that are made from option.def.  `make etc/cairn.conf.sample` writes the
# sample in the source tree anew; a unit test compares the two.
noinst_PROGRAMS += core/base/option_print
core_base_option_print_SOURCES = core/base/option_print_main.c
core_base_option_print_LDADD = $(LINK_base)

etc/cairn.conf.sample: core/base/option_print$(EXEEXT)
	core/base/option_print$(EXEEXT) sample >$(top_srcdir)/etc/cairn.conf.sample.new
	mv $(top_srcdir)/etc/cairn.conf.sample.new $(top_srcdir)/etc/cairn.conf.sample
.PHONY: etc/cairn.conf.sample
