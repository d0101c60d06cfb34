# tests/fuzz - a fuzz target for each parser of outside bytes.
#
# In an ordinary build a target replays its corpus, tests/fuzz/corpus/NAME/, as part of make check;
# configured with --enable-fuzzing it is a libFuzzer program, which `./dev fuzz` builds and runs.
# For each target:
#   check_PROGRAMS += tests/fuzz/fuzz_NAME
#   tests_fuzz_fuzz_NAME_SOURCES = tests/fuzz/fuzz_NAME.c
#   tests_fuzz_fuzz_NAME_LDADD = $(LINK_x) $(LINK_fuzz)
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
if FUZZING
LINK_fuzz = $(FUZZ_ENGINE)
else
LINK_fuzz = tests/fuzz/libreplay.a
endif

check_PROGRAMS += tests/fuzz/fuzz_crush_text tests/fuzz/fuzz_crush_map
tests_fuzz_fuzz_crush_text_SOURCES = tests/fuzz/fuzz_crush_text.c
tests_fuzz_fuzz_crush_text_LDADD = $(LINK_crush) $(LINK_fuzz)
tests_fuzz_fuzz_crush_map_SOURCES = tests/fuzz/fuzz_crush_map.c
tests_fuzz_fuzz_crush_map_LDADD = $(LINK_crush) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_raft_msg
tests_fuzz_fuzz_raft_msg_SOURCES = tests/fuzz/fuzz_raft_msg.c
tests_fuzz_fuzz_raft_msg_LDADD = $(LINK_raft) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_session
tests_fuzz_fuzz_session_SOURCES = tests/fuzz/fuzz_session.c
tests_fuzz_fuzz_session_LDADD = $(LINK_msgr) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_txn tests/fuzz/fuzz_store
tests_fuzz_fuzz_txn_SOURCES = tests/fuzz/fuzz_txn.c
tests_fuzz_fuzz_txn_LDADD = $(LINK_store) $(LINK_fuzz)
tests_fuzz_fuzz_store_SOURCES = tests/fuzz/fuzz_store.c
tests_fuzz_fuzz_store_LDADD = $(LINK_store) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_mon_command tests/fuzz/fuzz_mon_store
tests_fuzz_fuzz_mon_command_SOURCES = tests/fuzz/fuzz_mon_command.c
tests_fuzz_fuzz_mon_command_LDADD = $(LINK_mon) $(LINK_fuzz)
tests_fuzz_fuzz_mon_store_SOURCES = tests/fuzz/fuzz_mon_store.c
tests_fuzz_fuzz_mon_store_LDADD = $(LINK_mon) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_pg_rows
tests_fuzz_fuzz_pg_rows_SOURCES = tests/fuzz/fuzz_pg_rows.c
tests_fuzz_fuzz_pg_rows_LDADD = $(LINK_osd) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_http_head tests/fuzz/fuzz_s3_auth tests/fuzz/fuzz_s3_chunks tests/fuzz/fuzz_s3_xml
tests_fuzz_fuzz_http_head_SOURCES = tests/fuzz/fuzz_http_head.c
tests_fuzz_fuzz_http_head_LDADD = $(LINK_s3) $(LINK_fuzz)
tests_fuzz_fuzz_s3_auth_SOURCES = tests/fuzz/fuzz_s3_auth.c
tests_fuzz_fuzz_s3_auth_LDADD = $(LINK_s3) $(LINK_fuzz)
tests_fuzz_fuzz_s3_chunks_SOURCES = tests/fuzz/fuzz_s3_chunks.c
tests_fuzz_fuzz_s3_chunks_LDADD = $(LINK_s3) $(LINK_fuzz)
tests_fuzz_fuzz_s3_xml_SOURCES = tests/fuzz/fuzz_s3_xml.c
tests_fuzz_fuzz_s3_xml_LDADD = $(LINK_s3) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_s3_form tests/fuzz/fuzz_s3_policy
tests_fuzz_fuzz_s3_form_SOURCES = tests/fuzz/fuzz_s3_form.c
tests_fuzz_fuzz_s3_form_LDADD = $(LINK_s3) $(LINK_fuzz)
tests_fuzz_fuzz_s3_policy_SOURCES = tests/fuzz/fuzz_s3_policy.c
tests_fuzz_fuzz_s3_policy_LDADD = $(LINK_s3) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_account_rows tests/fuzz/fuzz_mon_user
tests_fuzz_fuzz_account_rows_SOURCES = tests/fuzz/fuzz_account_rows.c
tests_fuzz_fuzz_account_rows_LDADD = $(LINK_s3) $(LINK_fuzz)
tests_fuzz_fuzz_mon_user_SOURCES = tests/fuzz/fuzz_mon_user.c
tests_fuzz_fuzz_mon_user_LDADD = $(LINK_mon) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_bucket_rows
tests_fuzz_fuzz_bucket_rows_SOURCES = tests/fuzz/fuzz_bucket_rows.c \
	tests/unit/s3/bucket/recode.c tests/unit/s3/bucket/recode.h
tests_fuzz_fuzz_bucket_rows_LDADD = $(LINK_s3) $(LINK_fuzz)
