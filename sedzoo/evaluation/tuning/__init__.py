"""Thresholds and median lengths, chosen on validation data."""
