"""Binaries and images for one set of versions: build, check, import.

`build` makes a bundle folder, `contents` reads and verifies one, `install` puts it on a host.
`components` is the table of all that is compiled, `images` that of all that is packed; what was
made once is kept in `store`, by content.
"""
