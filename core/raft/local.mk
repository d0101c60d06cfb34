# core/raft - consensus as pure steps.
noinst_LIBRARIES += libcore_raft.a
libcore_raft_a_SOURCES =
