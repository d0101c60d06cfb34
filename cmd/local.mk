# cmd - main() of the daemons.
bin_PROGRAMS += cairnd
cairnd_SOURCES = cmd/cairnd.c
cairnd_LDADD = $(LINK_node) $(JEMALLOC_LIBS)
