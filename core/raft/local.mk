# core/raft - consensus as pure steps.
noinst_LIBRARIES += libcore_raft.a
libcore_raft_a_SOURCES = \
	core/raft/check.c \
	core/raft/codec.c \
	core/raft/election.c \
	core/raft/internal.h \
	core/raft/raft.c \
	core/raft/raft.h \
	core/raft/read.c \
	core/raft/replicate.c \
	core/raft/rlog.c \
	core/raft/rlog.h \
	core/raft/snapshot.c
