# cli - the `cairn` command.
bin_PROGRAMS += cairn
cairn_SOURCES = cli/main.c
cairn_LDADD = $(LINK_all)
