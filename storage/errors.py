"""What can go wrong in a store, named by the side at fault."""


class StorageError(Exception):
    """The store is away, slow, full or refuses us: nothing is known to be stored, and trying again later may help."""


class ContentRefusedError(Exception):
    """The store is well and refuses these very rows. Trying again gives the same answer."""


class StoreNewerError(StorageError):
    """The store was written by a newer version of this program: opening it could lose what that version added."""


class OwnerFencedError(StorageError):
    """Another owner has taken the event log over. Nothing was written; this owner must stop."""


class AnsweredTwiceError(Exception):
    """An event answers an intent that another event has answered already. Nothing of its batch was written."""


class RegistryFullError(Exception):
    """No number is left for another vehicle (limits.VEHICLES_MAX)."""


class QueryRefusedError(Exception):
    """A reader's query was refused or failed by its own fault: not a read, out of bounds, or wrong SQL."""
