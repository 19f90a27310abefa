"""What an admin does with a server: look after accounts, health, figures."""
