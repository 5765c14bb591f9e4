"""What is measured by tools/benchmark.py."""
