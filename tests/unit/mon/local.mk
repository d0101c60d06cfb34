# tests/unit/mon - unit tests of core/mon.
