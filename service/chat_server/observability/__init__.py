"""What an admin sees of a running server: its log and its metrics."""
