"""The images service: the names of images, in containerd's protocol."""
