# tests/unit/s3 - unit tests of s3.
