"""The WebSocket side: the upgrade, one connection, its frames, and who is connected."""
