"""Wire values and codecs: bytes in, values out, without IO."""
