"""The pages, as functions that return HTML."""
