"""The content service: blobs by digest, in containerd's protocol."""
