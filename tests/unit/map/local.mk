# tests/unit/map - unit tests of core/map.
