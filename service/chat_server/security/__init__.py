"""Passwords, tokens, lockouts, throttles: leaves that know nothing of the chat."""
