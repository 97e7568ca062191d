"""What a file claims to hold against what it can hold, before memory is taken."""

DEFLATE_RATIO = 1032    # no deflated byte gives more bytes than that


def require_room(what, claimed, room):
    """Raise ValueError when more bytes are claimed than there can be."""
    if claimed > room:
        raise ValueError(f"{what} would take {claimed} bytes, the file can hold {room}: it is cut "
                         "off or forged")
