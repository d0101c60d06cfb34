# man - manual pages, written in scdoc: man/NAME.SECTION.scd becomes man/NAME.SECTION.
MAN_PAGES = man/cairn.1 man/cairnd.8 man/cairn.conf.5

EXTRA_DIST += man/cairn.1.scd man/cairnd.8.scd man/cairn.conf.5.scd.in
if HAVE_SCDOC
man_MANS = $(MAN_PAGES)
CLEANFILES += $(MAN_PAGES) man/cairn.conf.5.scd
endif

# The table of settings comes from the rows of option.def.
man/cairn.conf.5.scd: man/cairn.conf.5.scd.in core/base/option_print$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && core/base/option_print man | sed 's/^## /## /' > $@.table && \
	    sed -e "/^@OPTIONS@$$/{r $@.table" -e 'd;}' $(srcdir)/man/cairn.conf.5.scd.in > $@.tmp && \
	    rm -f $@.table && mv $@.tmp $@

man/cairn.conf.5: man/cairn.conf.5.scd
	$(AM_V_GEN)$(SCDOC) < man/cairn.conf.5.scd > $@.tmp && mv $@.tmp $@

man/cairn.1 man/cairnd.8: %: %.scd
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SCDOC) < $< > $@.tmp && mv $@.tmp $@
