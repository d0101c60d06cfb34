# tests/unit/store - unit tests of core/store.
