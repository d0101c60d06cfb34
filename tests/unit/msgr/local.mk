# tests/unit/msgr - unit tests of core/msgr.
