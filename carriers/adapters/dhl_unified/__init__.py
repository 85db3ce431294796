"""DHL through its Shipment Tracking - Unified API."""
