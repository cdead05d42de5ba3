"""Whether one set of runs is faster than another, what accounts for it, and what not to trust."""
