# man - manual pages, written in scdoc: man/NAME.SECTION.scd becomes man/NAME.SECTION.
MAN_PAGES =

MAN_SCD = $(addprefix $(srcdir)/,$(addsuffix .scd,$(MAN_PAGES)))
EXTRA_DIST += $(MAN_SCD)
if HAVE_SCDOC
man_MANS = $(MAN_PAGES)
CLEANFILES += $(MAN_PAGES)
endif

$(MAN_PAGES): %: %.scd
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SCDOC) < $< > $@.tmp && mv $@.tmp $@
