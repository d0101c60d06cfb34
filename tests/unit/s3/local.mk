# tests/unit/s3 - unit tests of s3.

include tests/unit/s3/bucket/local.mk

check_PROGRAMS += tests/unit/s3/test_sigv4
tests_unit_s3_test_sigv4_SOURCES = tests/unit/s3/test_sigv4.c
tests_unit_s3_test_sigv4_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_digest
tests_unit_s3_test_digest_SOURCES = tests/unit/s3/test_digest.c
tests_unit_s3_test_digest_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_body_hash
tests_unit_s3_test_body_hash_SOURCES = tests/unit/s3/test_body_hash.c
tests_unit_s3_test_body_hash_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_chunks
tests_unit_s3_test_chunks_SOURCES = tests/unit/s3/test_chunks.c
tests_unit_s3_test_chunks_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_host
tests_unit_s3_test_host_SOURCES = tests/unit/s3/test_host.c
tests_unit_s3_test_host_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_guard
tests_unit_s3_test_guard_SOURCES = tests/unit/s3/test_guard.c
tests_unit_s3_test_guard_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_xml
tests_unit_s3_test_xml_SOURCES = tests/unit/s3/test_xml.c
tests_unit_s3_test_xml_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_meta
tests_unit_s3_test_meta_SOURCES = tests/unit/s3/test_meta.c
tests_unit_s3_test_meta_LDADD = $(LINK_s3) $(LINK_test)

# Over a real socket, on a bucket layer in memory.
S3_WIRE = tests/unit/s3/client.c tests/unit/s3/client.h tests/unit/s3/fake_bucket.c \
	tests/unit/s3/fake_bucket.h tests/unit/s3/fake_int.h tests/unit/s3/fake_list.c \
	tests/unit/s3/fake_room.c tests/unit/s3/fake_upload.c

check_PROGRAMS += tests/unit/s3/test_http
tests_unit_s3_test_http_SOURCES = tests/unit/s3/test_http.c $(S3_WIRE)
tests_unit_s3_test_http_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_auth
tests_unit_s3_test_auth_SOURCES = tests/unit/s3/test_auth.c $(S3_WIRE)
tests_unit_s3_test_auth_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_sigv2
tests_unit_s3_test_sigv2_SOURCES = tests/unit/s3/test_sigv2.c $(S3_WIRE)
tests_unit_s3_test_sigv2_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_route
tests_unit_s3_test_route_SOURCES = tests/unit/s3/test_route.c $(S3_WIRE)
tests_unit_s3_test_route_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_conns
tests_unit_s3_test_conns_SOURCES = tests/unit/s3/test_conns.c
tests_unit_s3_test_conns_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_presign
tests_unit_s3_test_presign_SOURCES = tests/unit/s3/test_presign.c $(S3_WIRE)
tests_unit_s3_test_presign_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_tls
tests_unit_s3_test_tls_SOURCES = tests/unit/s3/test_tls.c $(S3_WIRE)
tests_unit_s3_test_tls_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_form
tests_unit_s3_test_form_SOURCES = tests/unit/s3/test_form.c
tests_unit_s3_test_form_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_policy
tests_unit_s3_test_policy_SOURCES = tests/unit/s3/test_policy.c
tests_unit_s3_test_policy_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_post
tests_unit_s3_test_post_SOURCES = tests/unit/s3/test_post.c $(S3_WIRE)
tests_unit_s3_test_post_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_streams
tests_unit_s3_test_streams_SOURCES = tests/unit/s3/test_streams.c $(S3_WIRE)
tests_unit_s3_test_streams_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_gateway
tests_unit_s3_test_gateway_SOURCES = tests/unit/s3/test_gateway.c $(S3_WIRE)
tests_unit_s3_test_gateway_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_lists
tests_unit_s3_test_lists_SOURCES = tests/unit/s3/test_lists.c $(S3_WIRE)
tests_unit_s3_test_lists_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_access
tests_unit_s3_test_access_SOURCES = tests/unit/s3/test_access.c $(S3_WIRE)
tests_unit_s3_test_access_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_op_stats
tests_unit_s3_test_op_stats_SOURCES = tests/unit/s3/test_op_stats.c $(S3_WIRE)
tests_unit_s3_test_op_stats_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_copy
tests_unit_s3_test_copy_SOURCES = tests/unit/s3/test_copy.c $(S3_WIRE)
tests_unit_s3_test_copy_LDADD = $(LINK_s3) $(LINK_test)

check_PROGRAMS += tests/unit/s3/test_calls
tests_unit_s3_test_calls_SOURCES = tests/unit/s3/test_calls.c $(S3_WIRE)
tests_unit_s3_test_calls_LDADD = $(LINK_s3) $(LINK_test)
