# core/msgr - sessions that carry messages.
noinst_LIBRARIES += libcore_msgr.a
libcore_msgr_a_SOURCES = \
	core/msgr/budget.h \
	core/msgr/hub.c \
	core/msgr/internal.h \
	core/msgr/link.c \
	core/msgr/msg.c \
	core/msgr/msg.h \
	core/msgr/msgr.c \
	core/msgr/msgr.h \
	core/msgr/session.c \
	core/msgr/session_accept.c \
	core/msgr/session_parse.c \
	core/msgr/session_parse.h \
	core/msgr/session_wire.c \
	core/msgr/session_wire.h
