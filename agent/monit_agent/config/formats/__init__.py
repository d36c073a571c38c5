"""The formats of config files, each read into the entries of `config.files`."""
