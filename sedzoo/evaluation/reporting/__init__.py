"""Everything about one system's output: brought to the truth, scored, told and drawn."""
