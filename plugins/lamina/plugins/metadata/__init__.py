"""The names of images and the labels of blobs, in the metastore."""
