# core/store - journal, onodes and extents of one disk.
noinst_LIBRARIES += libcore_store.a
libcore_store_a_SOURCES = \
	core/store/store.h \
	core/store/txn.h
