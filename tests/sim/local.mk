# tests/sim - whole clusters in one thread on the simulated environment.
#
# SIM_TESTS are scripts that run seeds; one that prints TAP counts each of its cases.
SIM_TESTS = tests/sim/sim.sh tests/sim/trace.sh

check_SCRIPTS += $(SIM_TESTS)
EXTRA_DIST += $(SIM_TESTS) tests/sim/caught.txt tests/sim/regressions.txt tests/sim/README.md

# The simulator has the store, the OSD and the bucket layer compiled once more, with bugs that can be turned on
# (core/base/plant.h); the archives bring everything else.
EXTRA_PROGRAMS += tests/sim/cairn-sim
TEST_HELPERS += tests/sim/cairn-sim
tests_sim_cairn_sim_SOURCES = \
	tests/sim/audit.c \
	tests/sim/audit.h \
	tests/sim/boxes.c \
	tests/sim/boxes.h \
	tests/sim/boxes_hurt.c \
	tests/sim/cluster.c \
	tests/sim/cluster.h \
	tests/sim/coverage.c \
	tests/sim/coverage.def \
	tests/sim/coverage.h \
	tests/sim/faults.c \
	tests/sim/faults.h \
	tests/sim/history.c \
	tests/sim/history.h \
	tests/sim/hot.c \
	tests/sim/hot.h \
	tests/sim/hot_ops.c \
	tests/sim/linear.c \
	tests/sim/linear.h \
	tests/sim/main.c \
	tests/sim/model.c \
	tests/sim/model.h \
	tests/sim/plants.h \
	tests/sim/runner.c \
	tests/sim/runner.h \
	tests/sim/seed.c \
	tests/sim/seed.h \
	tests/sim/workload.h \
	tests/unit/s3/bucket/act.c \
	tests/unit/s3/bucket/fake.h \
	tests/unit/s3/bucket/model.c \
	tests/unit/s3/bucket/model.h \
	tests/unit/s3/bucket/model_int.h \
	tests/unit/s3/bucket/model_judge.c \
	tests/unit/s3/bucket/stage.h \
	core/base/plant.c \
	$(libcore_store_a_SOURCES) \
	$(libcore_osd_a_SOURCES) \
	$(s3_bucket_sources)
tests_sim_cairn_sim_CPPFLAGS = $(AM_CPPFLAGS) -DCAIRN_PLANT
tests_sim_cairn_sim_LDADD = libcore_mon.a libs3.a libcore_client.a $(LINK_proto) $(CRYPTO_LIBS)
