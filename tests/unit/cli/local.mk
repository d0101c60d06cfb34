# tests/unit/cli - unit tests of cli.
