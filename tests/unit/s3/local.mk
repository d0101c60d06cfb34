# tests/unit/s3 - unit tests of s3.

include tests/unit/s3/bucket/local.mk
