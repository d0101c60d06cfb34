# node - the roles of one process.
noinst_LIBRARIES += libnode.a
libnode_a_SOURCES = node/node.c node/node.h
