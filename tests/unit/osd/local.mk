# tests/unit/osd - unit tests of core/osd.
