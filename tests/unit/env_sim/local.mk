# tests/unit/env_sim - unit tests of the simulator in core/env.
env_sim_world = tests/unit/env_sim/world.c tests/unit/env_sim/world.h

check_PROGRAMS += tests/unit/env_sim/test_sim_disk
tests_unit_env_sim_test_sim_disk_SOURCES = tests/unit/env_sim/test_sim_disk.c $(env_sim_world)
tests_unit_env_sim_test_sim_disk_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_file
tests_unit_env_sim_test_sim_file_SOURCES = tests/unit/env_sim/test_sim_file.c $(env_sim_world)
tests_unit_env_sim_test_sim_file_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_kv
tests_unit_env_sim_test_sim_kv_SOURCES = tests/unit/env_sim/test_sim_kv.c $(env_sim_world)
tests_unit_env_sim_test_sim_kv_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_loop
tests_unit_env_sim_test_sim_loop_SOURCES = tests/unit/env_sim/test_sim_loop.c $(env_sim_world)
tests_unit_env_sim_test_sim_loop_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_machine
tests_unit_env_sim_test_sim_machine_SOURCES = tests/unit/env_sim/test_sim_machine.c $(env_sim_world)
tests_unit_env_sim_test_sim_machine_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_net
tests_unit_env_sim_test_sim_net_SOURCES = tests/unit/env_sim/test_sim_net.c $(env_sim_world)
tests_unit_env_sim_test_sim_net_LDADD = $(LINK_env) $(LINK_test)

check_PROGRAMS += tests/unit/env_sim/test_sim_run
tests_unit_env_sim_test_sim_run_SOURCES = tests/unit/env_sim/test_sim_run.c $(env_sim_world)
tests_unit_env_sim_test_sim_run_LDADD = $(LINK_env) $(LINK_test)
