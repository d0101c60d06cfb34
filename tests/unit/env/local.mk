# tests/unit/env - unit tests of core/env.
