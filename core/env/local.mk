# core/env - clock, tasks, disks, files, key-value stores and the network: real and simulated.
noinst_LIBRARIES += libcore_env.a
libcore_env_a_SOURCES = \
	core/env/disk.h core/env/env.h core/env/env_ops.h core/env/env_real.h core/env/file.h \
	core/env/kv.h core/env/net.h core/env/op.h core/env/sim.h \
	core/env/env.c core/env/kv_batch.c core/env/kv_batch.h core/env/op.c

# The real side.
libcore_env_a_SOURCES += \
	core/env/real.h core/env/real_disk.h core/env/real_kv.h \
	core/env/real_disk.c core/env/real_disk_open.c core/env/real_env.c core/env/real_file.c \
	core/env/real_host.c core/env/real_kv.c core/env/real_loop.c core/env/real_net.c \
	core/env/real_uring.c core/env/real_work.c

# LevelDB and its Env: the one C++ in the core.
libcore_env_a_SOURCES += core/env/ldb.h core/env/ldb_env.h core/env/ldb.cc core/env/ldb_env.cc
libcore_env_a_CXXFLAGS = $(AM_CXXFLAGS) -fno-exceptions

# The simulated side.
libcore_env_a_SOURCES += \
	core/env/sim.c core/env/sim_conn.c core/env/sim_disk.c core/env/sim_file.c \
	core/env/sim_impl.h core/env/sim_kv.c core/env/sim_loop.c core/env/sim_machine.c \
	core/env/sim_map.c core/env/sim_media.c core/env/sim_net.c core/env/sim_net.h \
	core/env/sim_queue.c
