"""The namespaces service: the namespaces of images, in containerd's protocol."""
