"""Facts in, bytes out: one pure renderer per wire format, written from the formats' descriptions alone."""
