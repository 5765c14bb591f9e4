"""Tests: one file per module, seeded, on the CPU, offline."""
