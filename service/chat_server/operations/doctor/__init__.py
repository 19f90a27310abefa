"""`chat-server doctor`: walks the troubleshooting guide on this host, and says what is wrong and what cures it.

One module per chapter of docs/troubleshooting.md has the questions of that chapter; `examination` asks them all.
It reads only: nothing on the host is other than before.
"""
