"""The faces: REST, pushes, the board and the customer's page."""
