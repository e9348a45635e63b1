"""The long-term memory that threads share."""
