"""From a byte stream to a peer whose identity is proven and many streams with it: multistream-select, Noise, Yamux, mplex."""
