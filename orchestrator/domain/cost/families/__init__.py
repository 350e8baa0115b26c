"""The families of decoders: each turns the values of a config into an architecture."""
