# core/msgr - sessions that carry messages.
noinst_LIBRARIES += libcore_msgr.a
libcore_msgr_a_SOURCES = \
	core/msgr/msg.h \
	core/msgr/msgr.h
