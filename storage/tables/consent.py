"""Tables of the actor consent: the rows that its rules keep. See core/business.py."""
