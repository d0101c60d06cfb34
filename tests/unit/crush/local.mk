# tests/unit/crush - unit tests of core/crush.
