"""The manual pages and the shells' completion, made of what --help and the documents say."""
