"""The way up and the way down."""
