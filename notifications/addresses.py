"""Email addresses in the form that every relay takes."""


def ascii_address(address: str) -> str:
    """The address with its domain in IDNA; raises ValueError where it is none, or would need SMTPUTF8."""
    user, at, domain = address.strip().rpartition("@")
    if not (user and at and domain and user.isascii() and user.isprintable() and " " not in user):
        raise ValueError("not an address that mail can be sent to")
    return f"{user}@{domain.encode('idna').decode()}"
