# s3/bucket - buckets and objects below HTTP.
libs3_a_SOURCES += \
	s3/bucket/bucket.h
