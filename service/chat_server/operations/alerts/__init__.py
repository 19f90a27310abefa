"""Waking somebody: whoever `[alerts]` names is told of what turned bad, and of what is well again, once each."""
