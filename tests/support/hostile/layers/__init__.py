"""Hostile layers, each made by a few lines and named after its class.

``archive``   making layers, with tarfile where that suffices, and else byte by byte
``escapes``   layers that reach for files outside of the tree
``whiteouts`` layers that delete, or mark, what is not theirs
``headers``   layers whose headers lie
``floods``    layers that want more than there is
``trees``     layers that are not hostile themselves
"""
