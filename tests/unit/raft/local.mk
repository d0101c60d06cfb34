# tests/unit/raft - unit tests of core/raft.
