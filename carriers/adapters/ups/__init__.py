"""UPS through its Tracking API v1."""
