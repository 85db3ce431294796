"""One module per channel; only the service's bootstrap names them."""
