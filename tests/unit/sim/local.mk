# tests/unit/sim - unit tests of the simulator's own judges (tests/sim).
sim_judges = \
	tests/sim/history.c \
	tests/sim/history.h \
	tests/sim/linear.c \
	tests/sim/linear.h \
	tests/sim/model.c \
	tests/sim/model.h

check_PROGRAMS += tests/unit/sim/test_linear
tests_unit_sim_test_linear_SOURCES = tests/unit/sim/test_linear.c $(sim_judges)
tests_unit_sim_test_linear_LDADD = $(LINK_map) $(LINK_test)
