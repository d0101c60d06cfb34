# tests/unit/s3/bucket - the bucket layer, over a cluster in memory instead of libcairn.
s3_bucket_stage = tests/unit/s3/bucket/act.c tests/unit/s3/bucket/audit.c \
	tests/unit/s3/bucket/fake.c tests/unit/s3/bucket/fake.h tests/unit/s3/bucket/fake_int.h \
	tests/unit/s3/bucket/fake_ops.c tests/unit/s3/bucket/short.c tests/unit/s3/bucket/stage.c \
	tests/unit/s3/bucket/verify_stage.c \
	tests/unit/s3/bucket/stage.h
LINK_s3_bucket = libs3.a $(LINK_env) $(CRYPTO_LIBS) $(LINK_test)

check_PROGRAMS += tests/unit/s3/bucket/test_bucket
tests_unit_s3_bucket_test_bucket_SOURCES = tests/unit/s3/bucket/test_bucket.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_bucket_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_uploads
tests_unit_s3_bucket_test_uploads_SOURCES = tests/unit/s3/bucket/test_uploads.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_uploads_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_copies
tests_unit_s3_bucket_test_copies_SOURCES = tests/unit/s3/bucket/test_copies.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_copies_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_copies_hurt
tests_unit_s3_bucket_test_copies_hurt_SOURCES = tests/unit/s3/bucket/test_copies_hurt.c \
	$(s3_bucket_stage)
tests_unit_s3_bucket_test_copies_hurt_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_faults
tests_unit_s3_bucket_test_faults_SOURCES = tests/unit/s3/bucket/test_faults.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_faults_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_model
tests_unit_s3_bucket_test_model_SOURCES = tests/unit/s3/bucket/test_model.c \
	tests/unit/s3/bucket/model.c tests/unit/s3/bucket/model.h \
	tests/unit/s3/bucket/model_int.h tests/unit/s3/bucket/model_judge.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_model_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_rows
tests_unit_s3_bucket_test_rows_SOURCES = tests/unit/s3/bucket/test_rows.c \
	tests/unit/s3/bucket/recode.c tests/unit/s3/bucket/recode.h
tests_unit_s3_bucket_test_rows_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/bucket/test_kept
tests_unit_s3_bucket_test_kept_SOURCES = tests/unit/s3/bucket/test_kept.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_kept_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_shards
tests_unit_s3_bucket_test_shards_SOURCES = tests/unit/s3/bucket/test_shards.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_shards_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_quota
tests_unit_s3_bucket_test_quota_SOURCES = tests/unit/s3/bucket/test_quota.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_quota_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_verify
tests_unit_s3_bucket_test_verify_SOURCES = tests/unit/s3/bucket/test_verify.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_verify_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_usage
tests_unit_s3_bucket_test_usage_SOURCES = tests/unit/s3/bucket/test_usage.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_usage_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_silent
tests_unit_s3_bucket_test_silent_SOURCES = tests/unit/s3/bucket/test_silent.c $(s3_bucket_stage)
tests_unit_s3_bucket_test_silent_LDADD = $(LINK_s3_bucket)

check_PROGRAMS += tests/unit/s3/bucket/test_moves
tests_unit_s3_bucket_test_moves_SOURCES = tests/unit/s3/bucket/test_moves.c
tests_unit_s3_bucket_test_moves_LDADD = $(LINK_s3) $(LINK_test)
