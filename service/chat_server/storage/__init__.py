"""Where a chat is kept: the schema, the one writer, the readers, the migrations."""
