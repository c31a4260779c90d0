"""Tables of the actor audit: the rows that its rules keep. See core/business.py."""
