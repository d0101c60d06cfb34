# tests/unit/client - unit tests of core/client.
