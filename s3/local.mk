# s3 - the S3 gateway, a front end on our reactors.
noinst_LIBRARIES += libs3.a
libs3_a_CPPFLAGS = $(S3_CPPFLAGS)
libs3_a_SOURCES = s3/s3.c s3/s3.h \
	s3/account/access_line.c s3/account/access_line.h \
	s3/account/access_log.c s3/account/access_log.h \
	s3/account/facts.h \
	s3/account/metrics_page.c s3/account/metrics_page.h \
	s3/account/op_stats.c s3/account/op_stats.h \
	s3/auth/auth.c s3/auth/auth.h \
	s3/auth/checksum.c s3/auth/checksum.h \
	s3/auth/chunks.c s3/auth/chunks.h \
	s3/auth/digest.c s3/auth/digest.h \
	s3/auth/form.c s3/auth/form.h \
	s3/auth/lanes.c s3/auth/lanes.h \
	s3/auth/policy.c s3/auth/policy.h \
	s3/auth/sigv2.c s3/auth/sigv2.h \
	s3/auth/sigv4.c s3/auth/sigv4.h \
	s3/auth/sigv4_parse.c \
	s3/error.c s3/error.def s3/error.h \
	s3/gateway.c s3/gateway.h \
	s3/host.c s3/host.h \
	s3/http.h s3/http/guard.c s3/http/guard.h s3/http/http.c \
	s3/http/conns.c s3/http/conns.h \
	s3/http/head.c s3/http/head.h \
	s3/http/response.c s3/http/response.h \
	s3/http/tls.c s3/http/tls.h \
	s3/object/acl.c s3/object/acl.h \
	s3/object/attributes.c \
	s3/object/body.c s3/object/body.h \
	s3/object/body_hash.c s3/object/body_hash.h \
	s3/object/bucket_ops.c \
	s3/object/conditions.c \
	s3/object/controls.c \
	s3/object/copy.c \
	s3/object/cors.c s3/object/cors.h \
	s3/object/delete.c \
	s3/object/done.c \
	s3/object/fixed.c \
	s3/object/gate.c s3/object/gate.h \
	s3/object/get.c \
	s3/object/list.c \
	s3/object/meta.c s3/object/meta.h \
	s3/object/post.c s3/object/post.h \
	s3/object/post_answer.c \
	s3/object/put.c \
	s3/object/request.c s3/object/request.h \
	s3/object/route.c s3/object/route.h \
	s3/object/tags.c s3/object/tags.h \
	s3/object/upload.c \
	s3/object/upload_list.c \
	s3/object/values.c \
	s3/object/wanted.c s3/object/wanted.h \
	s3/object/xml_body.c s3/object/xml_body.h \
	s3/object/xml_parts.c s3/object/xml_parts.h \
	s3/text.h \
	s3/uri.c s3/uri.h \
	s3/usage/rows.c s3/usage/rows.h \
	s3/usage/sample.c \
	s3/usage/usage.c s3/usage/usage.h s3/usage/usage_int.h \
	s3/xml.h s3/xml/xml_in.c s3/xml/xml_out.c

include s3/bucket/local.mk
