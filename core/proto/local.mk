# core/proto - message formats.
noinst_LIBRARIES += libcore_proto.a
libcore_proto_a_SOURCES = \
	core/proto/messages.c \
	core/proto/messages.h \
	core/proto/messages_osd.c \
	core/proto/messages_pg.c \
	core/proto/pg_wire.c \
	core/proto/pg_wire.h \
	core/proto/step_kind.h \
	core/proto/steps.c \
	core/proto/steps_copy.c \
	core/proto/steps.h \
	core/proto/steps_codec.c \
	core/proto/touched.c \
	core/proto/wire.c \
	core/proto/wire.h
