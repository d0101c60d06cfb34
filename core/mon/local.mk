# core/mon - maps, commands and health, decided by the majority.
noinst_LIBRARIES += libcore_mon.a
libcore_mon_a_SOURCES =
