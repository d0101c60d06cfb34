# tests/bench - the load client and the table of `./dev bench`.

noinst_PROGRAMS += tests/bench/bench_env
tests_bench_bench_env_SOURCES = tests/bench/bench_env.c
tests_bench_bench_env_LDADD = $(LINK_env)

noinst_PROGRAMS += tests/bench/bench_msgr
tests_bench_bench_msgr_SOURCES = tests/bench/bench_msgr.c
tests_bench_bench_msgr_LDADD = $(LINK_msgr)

noinst_PROGRAMS += tests/bench/bench_store
tests_bench_bench_store_SOURCES = tests/bench/bench_store.c
tests_bench_bench_store_LDADD = $(LINK_store)

noinst_PROGRAMS += tests/bench/cairn-bench
tests_bench_cairn_bench_SOURCES = \
	tests/bench/bench.h \
	tests/bench/bench_cluster.c \
	tests/bench/bench_limits.c \
	tests/bench/bench_nginx.c \
	tests/bench/bench_objects.c \
	tests/bench/bench_s3.c \
	tests/bench/cairn_bench.c
tests_bench_cairn_bench_LDADD = $(LINK_client) $(CRYPTO_LIBS)
