"""The rig: Debian hosts for tests and for a person to try things on, booted with systemd on the machine at hand.

A tree (`trees`) is Debian in a folder. A host (`host`) is such a tree with a layer of its own on top, booted by
systemd-nspawn, with an address and SSH. `docs/rig.md` tells how it is used.
"""
