"""Proof that a deployed host is as it must be, and, on a host that may be broken, that its faults are found and cured.

`README.md` tells how it is used, and how a drill is written.
"""
