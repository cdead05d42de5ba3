"""Whether the suite tells the truth on this machine: steps, their claims, and one verdict each."""
