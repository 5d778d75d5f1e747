"""What `hookstream bench` measures, and with what. Not part of the installed package."""
