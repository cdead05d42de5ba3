"""The verbs that turn profilers' files into tables. They need no torch, no Docker and no GPU."""
