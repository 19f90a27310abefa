"""The REST API: Falcon resources, thin over the chat."""
