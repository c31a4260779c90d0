"""Tables of the actor garage: the rows that its rules keep. See core/business.py."""
