"""`chat-server support-bundle`: one file with what somebody needs who is to find out from afar what is wrong.

It has no message, password, token or secret in it. Nothing reads message texts or password hashes in the first place;
configurations are shown by a list of what is harmless; and whatever has been gathered is searched for the secrets of
this host and for what looks like one.
"""
