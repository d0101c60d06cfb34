# core/crush - the placement function.
noinst_LIBRARIES += libcore_crush.a
libcore_crush_a_SOURCES =
