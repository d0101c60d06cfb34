# tests/unit/base - unit tests of core/base.
