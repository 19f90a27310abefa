"""What the tags stand for: one module for those who write to each other, one for those who read, and so on."""
