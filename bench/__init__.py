"""The benchmark: `make bench` and `make bench-growth`. docs/performance.md says what is measured, and how."""
