"""SQL: text that PostgreSQL receives exactly as written, and the runner of its migrations; a leaf that knows nobody."""
