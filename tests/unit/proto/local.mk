# tests/unit/proto - unit tests of core/proto.
