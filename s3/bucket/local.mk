# s3/bucket - buckets and objects below HTTP.
libs3_a_SOURCES += \
	s3/bucket/bucket.h \
	s3/bucket/bucket_drop.c \
	s3/bucket/bucket_int.h \
	s3/bucket/bucket_make.c \
	s3/bucket/bucket_props.c \
	s3/bucket/bucket_query.c \
	s3/bucket/bucket_usage.c \
	s3/bucket/call.c \
	s3/bucket/collect.c \
	s3/bucket/collect_garbage.c \
	s3/bucket/collect_int.h \
	s3/bucket/collect_shard.c \
	s3/bucket/eraser.c \
	s3/bucket/layer.c \
	s3/bucket/link.c \
	s3/bucket/names.c \
	s3/bucket/object_change.c \
	s3/bucket/object_get.c \
	s3/bucket/object_list.c \
	s3/bucket/object_put.c \
	s3/bucket/object_query.c \
	s3/bucket/put_int.h \
	s3/bucket/put_intent.c \
	s3/bucket/put_link.c \
	s3/bucket/registry.c \
	s3/bucket/registry.h \
	s3/bucket/req.c \
	s3/bucket/resolve.c \
	s3/bucket/rows.c \
	s3/bucket/rows.h \
	s3/bucket/sums.c \
	s3/bucket/sums.h \
	s3/bucket/upload.c \
	s3/bucket/upload_complete.c \
	s3/bucket/user.c
