"""The libraries that can speak gRPC for the listener, each behind the `Engine` protocol.

`native` is the default: the HTTP/2 of pygrpc-native is written in Rust and runs without the interpreter's lock. A
call costs a fraction of its time with grpcio, and the process takes less memory. `grpcio` is Google's library,
much older and more widely used: the fallback where the other one fails. Both pass the same tests. Only grpcio can
also serve a plugin that is initialised after the listener has started.
"""
