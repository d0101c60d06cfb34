# tests/unit/env_real - the real side of core/env, on this machine's kernel and disk.
check_LIBRARIES += tests/unit/env_real/librig.a
tests_unit_env_real_librig_a_SOURCES = tests/unit/env_real/rig.c tests/unit/env_real/rig.h
LINK_rig = tests/unit/env_real/librig.a $(LINK_test) $(LINK_env)

check_PROGRAMS += tests/unit/env_real/test_disk
tests_unit_env_real_test_disk_SOURCES = tests/unit/env_real/test_disk.c
tests_unit_env_real_test_disk_LDADD = $(LINK_rig)

check_PROGRAMS += tests/unit/env_real/test_file
tests_unit_env_real_test_file_SOURCES = tests/unit/env_real/test_file.c
tests_unit_env_real_test_file_LDADD = $(LINK_rig)

check_PROGRAMS += tests/unit/env_real/test_kv
tests_unit_env_real_test_kv_SOURCES = tests/unit/env_real/test_kv.c
tests_unit_env_real_test_kv_LDADD = $(LINK_rig)

check_PROGRAMS += tests/unit/env_real/test_kv_crash
tests_unit_env_real_test_kv_crash_SOURCES = tests/unit/env_real/test_kv_crash.c
tests_unit_env_real_test_kv_crash_LDADD = $(LINK_rig)

check_PROGRAMS += tests/unit/env_real/test_loop
tests_unit_env_real_test_loop_SOURCES = tests/unit/env_real/test_loop.c
tests_unit_env_real_test_loop_LDADD = $(LINK_rig)

check_PROGRAMS += tests/unit/env_real/test_net
tests_unit_env_real_test_net_SOURCES = tests/unit/env_real/test_net.c
tests_unit_env_real_test_net_LDADD = $(LINK_rig)
