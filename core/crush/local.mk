# core/crush - the placement function.
noinst_LIBRARIES += libcore_crush.a
libcore_crush_a_SOURCES = \
	core/crush/crush.h \
	core/crush/crush_build.c \
	core/crush/crush_build.h \
	core/crush/crush_choose.c \
	core/crush/crush_codec.c \
	core/crush/crush_codec.h \
	core/crush/crush_derive.c \
	core/crush/crush_hash.c \
	core/crush/crush_hash.h \
	core/crush/crush_internal.h \
	core/crush/crush_lex.c \
	core/crush/crush_lex.h \
	core/crush/crush_ln.c \
	core/crush/crush_ln.h \
	core/crush/crush_map.c \
	core/crush/crush_mapper.c \
	core/crush/crush_parse.c \
	core/crush/crush_print.c \
	core/crush/crush_shadow.c \
	core/crush/crush_test.c \
	core/crush/crush_test.h \
	core/crush/crush_text.h
