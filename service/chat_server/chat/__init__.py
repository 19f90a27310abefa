"""What a chat is: accounts, conversations, messages, delivery. Knows no HTTP, no socket, no JSON."""
