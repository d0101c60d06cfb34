# tests/unit/store - unit tests of core/store.
store_play = tests/unit/store/stage.c tests/unit/store/stage_check.c tests/unit/store/stage.h
store_stage = $(store_play) tests/unit/store/stage_sim.c

check_PROGRAMS += tests/unit/store/test_store
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c $(store_stage)
tests_unit_store_test_store_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_crash
tests_unit_store_test_store_crash_SOURCES = tests/unit/store/test_store_crash.c $(store_stage)
tests_unit_store_test_store_crash_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_faults
tests_unit_store_test_store_faults_SOURCES = tests/unit/store/test_store_faults.c $(store_stage)
tests_unit_store_test_store_faults_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_rot
tests_unit_store_test_store_rot_SOURCES = tests/unit/store/test_store_rot.c $(store_stage)
tests_unit_store_test_store_rot_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_format
tests_unit_store_test_format_SOURCES = tests/unit/store/test_format.c
tests_unit_store_test_format_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_real
tests_unit_store_test_store_real_SOURCES = tests/unit/store/test_store_real.c
tests_unit_store_test_store_real_LDADD = $(LINK_store) $(LINK_test)

# Calls that change files pass the recorder, also those of the libraries' archives.
store_wrap = -Wl,--wrap=open,--wrap=close,--wrap=write,--wrap=pwrite,--wrap=pwritev2 \
    -Wl,--wrap=fsync,--wrap=fdatasync,--wrap=ftruncate,--wrap=fallocate \
    -Wl,--wrap=rename,--wrap=unlink,--wrap=mkdir \
    -Wl,--wrap=io_uring_submit,--wrap=io_uring_peek_batch_cqe
check_PROGRAMS += tests/unit/store/test_store_cut
tests_unit_store_test_store_cut_SOURCES = tests/unit/store/test_store_cut.c $(store_play) \
    tests/unit/store/stage_real.c tests/unit/store/tape.c tests/unit/store/tape.h \
    tests/unit/store/image.c tests/unit/store/image.h
tests_unit_store_test_store_cut_LDFLAGS = $(AM_LDFLAGS) $(store_wrap)
tests_unit_store_test_store_cut_LDADD = tests/unit/env_real/librig.a $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_omap
tests_unit_store_test_store_omap_SOURCES = tests/unit/store/test_store_omap.c $(store_stage)
tests_unit_store_test_store_omap_LDADD = $(LINK_store) $(LINK_test)
