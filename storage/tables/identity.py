"""Tables of the actor identity: the rows that its rules keep. See core/business.py."""
