"""Tables of the actor organisation: the rows that its rules keep. See core/business.py."""
