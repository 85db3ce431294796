"""Facts from outside that are not carriers: here the calendars of countries."""
