"""The rows of the papers' result tables, one file a paper."""
