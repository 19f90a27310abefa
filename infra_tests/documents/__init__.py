"""The documents that an admin reads in need, typed block by block on a real host.

What is between ```` ```sh ```` and the closing fence is typed as it stands. A comment before it, which readers do not
see, says what belongs to it:

    <!-- fault: the disk is full | shows: 100% -->

fault   what is provoked before; faults.py has how, by these words
given   what the reader has at hand, such as a token; people.py
shows   what must be in the output
leaves  a line that config.toml has afterwards
exit    the exit code; 0 where nothing is said
until   the block goes on until Ctrl-C, which is pressed when this was seen
on      the only release of Debian that it is for
"""
