# tests/unit/env_sim - unit tests of the simulator in core/env.
env_sim_world = tests/unit/env_sim/world.c tests/unit/env_sim/world.h

check_PROGRAMS += tests/unit/env_sim/test_sim_disk
tests_unit_env_sim_test_sim_disk_SOURCES = tests/unit/env_sim/test_sim_disk.c $(env_sim_world)
tests_unit_env_sim_test_sim_disk_LDADD = $(LINK_env) $(LINK_test)
