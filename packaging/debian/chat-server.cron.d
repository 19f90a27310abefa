# The nightly backup. What it says is in the journal, a failure with the priority of an error:
#     journalctl -t chat-server-backup
# Where the package was removed and this file was kept, nothing happens.
45 2 * * * root test ! -x /opt/chat-server/chat-server || systemd-cat --identifier=chat-server-backup --stderr-priority=err /opt/chat-server/chat-server backup
