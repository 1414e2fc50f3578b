"""The plugins that come with lamina, shaped exactly as a third party's would be."""
