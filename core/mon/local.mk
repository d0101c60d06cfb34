# core/mon - maps, commands and health, decided by the majority.
noinst_LIBRARIES += libcore_mon.a
libcore_mon_a_SOURCES = \
	core/mon/mon.c \
	core/mon/mon.h \
	core/mon/mon_change.c \
	core/mon/mon_change.h \
	core/mon/mon_command.c \
	core/mon/mon_command.h \
	core/mon/mon_command_conf.c \
	core/mon/mon_command_info.c \
	core/mon/mon_command_osd.c \
	core/mon/mon_command_pool.c \
	core/mon/mon_command_user.c \
	core/mon/mon_draft.c \
	core/mon/mon_failure.c \
	core/mon/mon_forward.c \
	core/mon/mon_health.c \
	core/mon/mon_int.h \
	core/mon/mon_osd.c \
	core/mon/mon_raft.c \
	core/mon/mon_start.c \
	core/mon/mon_state.c \
	core/mon/mon_state.h \
	core/mon/mon_stats.c \
	core/mon/mon_store.c \
	core/mon/mon_store.h \
	core/mon/mon_store_codec.c \
	core/mon/mon_store_codec.h \
	core/mon/mon_sub.c \
	core/mon/mon_table.h \
	core/mon/mon_user.c \
	core/mon/mon_user.h
