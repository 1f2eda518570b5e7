"""Models of fields and of eyes' paths, in torch and Pyro."""
