"""The messages of the protocol, one module per `.proto` file, made by `python -m lamina.api.generate`.

They live in a descriptor pool of their own: another package in the process may have its own copy of the same
messages in protobuf's default pool, where a second one of the same name is an error. For the same reason
`Timestamp`, `Empty`, `Any` and `FieldMask` are taken from here and not from `google.protobuf`.
"""
