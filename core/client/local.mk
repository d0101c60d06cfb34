# core/client - libcairn: objects for programs.  The archive feeds our own programs; the shared
# library shows nothing but cairn_*.
noinst_LIBRARIES += libcore_client.a
libcore_client_a_SOURCES = \
	core/client/client.c \
	core/client/client_build.c \
	core/client/client_int.h \
	core/client/client_map.c \
	core/client/client_mon.c \
	core/client/client_op.c \
	core/client/client_sync.c \
	core/client/client_where.c \
	core/client/include/cairn_env.h

# Public headers, installed as <cairn.h>.
include_HEADERS += core/client/include/cairn.h

# The soname's number rises when a program built against the old library would break.
LIBCAIRN_SO = libcairn.so
LIBCAIRN_SONAME = libcairn.so.0
LIBCAIRN_FILE = libcairn.so.$(PACKAGE_VERSION)
LIBCAIRN_ARCHIVES = libcore_client.a libcore_proto.a libcore_msgr.a libcore_raft.a libcore_store.a \
	libcore_map.a libcore_crush.a libcore_env.a libcore_base.a

noinst_DATA = $(LIBCAIRN_SO)
CLEANFILES += $(LIBCAIRN_SO)
EXTRA_DIST += core/client/libcairn.map

$(LIBCAIRN_SO): $(LIBCAIRN_ARCHIVES) $(srcdir)/core/client/libcairn.map
	$(AM_V_GEN)$(CC) -shared $(AM_LDFLAGS) $(CFLAGS) $(LDFLAGS) $(CAIRN_SHARED_LDFLAGS) \
	    -Wl,-soname,$(LIBCAIRN_SONAME) \
	    -Wl,--version-script=$(srcdir)/core/client/libcairn.map -o $@ \
	    -Wl,--whole-archive libcore_client.a -Wl,--no-whole-archive -Wl,--as-needed $(LINK_client)

pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = core/client/cairn.pc

install-exec-local: $(LIBCAIRN_SO)
	$(MKDIR_P) '$(DESTDIR)$(libdir)'
	$(INSTALL_PROGRAM) $(LIBCAIRN_SO) '$(DESTDIR)$(libdir)/$(LIBCAIRN_FILE)'
	ln -sf $(LIBCAIRN_FILE) '$(DESTDIR)$(libdir)/$(LIBCAIRN_SONAME)'
	ln -sf $(LIBCAIRN_SONAME) '$(DESTDIR)$(libdir)/$(LIBCAIRN_SO)'

uninstall-local:
	cd '$(DESTDIR)$(libdir)' && rm -f $(LIBCAIRN_FILE) $(LIBCAIRN_SONAME) $(LIBCAIRN_SO)
