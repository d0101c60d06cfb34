# core/proto - message formats.
noinst_LIBRARIES += libcore_proto.a
libcore_proto_a_SOURCES =
