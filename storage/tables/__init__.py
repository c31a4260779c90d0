"""Tables, declared once. All of them stand in METADATA as soon as one of these modules is imported."""

from storage.tables import audit, business, consent, garage, identity, incident, organisation, report, spine, uplink

__all__ = [
    "audit",
    "business",
    "consent",
    "garage",
    "identity",
    "incident",
    "organisation",
    "report",
    "spine",
    "uplink",
]
