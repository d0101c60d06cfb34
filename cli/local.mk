# cli - the `cairn` command.
bin_PROGRAMS += cairn
cairn_SOURCES = \
	cli/bucket.c \
	cli/bucket_check.c \
	cli/bucket_offline.c \
	cli/buckets.c \
	cli/buckets.h \
	cli/cli.c \
	cli/cli.h \
	cli/command.c \
	cli/crush.c \
	cli/fsck.c \
	cli/help.c \
	cli/layer.c \
	cli/layer.h \
	cli/main.c \
	cli/object.c \
	cli/object.h \
	cli/object_get.c \
	cli/osd.c \
	cli/progress.c \
	cli/up.c \
	cli/up.h \
	cli/up_core.c \
	cli/up_files.c \
	cli/up_make.c \
	cli/up_ready.c \
	cli/usage.c \
	cli/user.c
cairn_LDADD = $(LINK_node) $(JEMALLOC_LIBS)
