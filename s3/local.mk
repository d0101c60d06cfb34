# s3 - the S3 gateway, a front end on our reactors.
noinst_LIBRARIES += libs3.a
libs3_a_CPPFLAGS = $(S3_CPPFLAGS)
libs3_a_SOURCES = s3/s3.h s3/s3_none.c

include s3/bucket/local.mk
