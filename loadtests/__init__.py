"""Load tests with Locust, for an admin to run against a deployed host: docs/load-testing.md says how."""
