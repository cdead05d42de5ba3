"""How a run goes: planned, given its mode's profiler, launched, and turned into a record."""
