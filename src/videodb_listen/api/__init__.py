"""The VideoDB API over HTTP: sessions, streams, indexes, pages of records."""
