"""What the playbooks do to a host that is in use: upgrades, good and bad, and a restore."""
