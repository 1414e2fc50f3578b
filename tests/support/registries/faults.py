"""What can go wrong between a registry and its client."""

from __future__ import annotations

import gzip
import itertools

import attrs

from tests.support.registries.proxy import Answer, Exchange, Fault


def cut_after(count: int) -> Fault:
    """The body ends after so many bytes."""
    return lambda exchange: exchange.send(exchange.forward(), cut=count)


def stall_after(count: int) -> Fault:
    """The body stops after so many bytes, and the connection stays."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.send(attrs.evolve(answer, body=answer.body[:count], headers={**answer.headers}))
        exchange.stall()

    return fault


def stall(exchange: Exchange) -> None:
    """No answer comes."""
    exchange.stall()


def hang_up(exchange: Exchange) -> None:
    """The connection ends instead of an answer."""
    exchange.hang_up()


def drip(exchange: Exchange) -> None:
    """The answer comes a byte at a time, and never ends."""
    exchange.write(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        exchange.write(b"X" if number % 40 else b"\r\nY: ")
        if exchange.stopped.wait(0.02):
            return


def drip_body(exchange: Exchange) -> None:
    """The body comes a byte at a time."""
    answer = exchange.forward()
    exchange.send(attrs.evolve(answer, body=b""))
    for byte in answer.body:
        exchange.write(bytes([byte]))
        if exchange.stopped.wait(0.02):
            return


def corrupt_at(position: int) -> Fault:
    """A byte of the body is another one."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        body = bytearray(answer.body)
        body[position] ^= 1
        exchange.send(attrs.evolve(answer, body=bytes(body)))

    return fault


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """The proxy itself answers, with a status."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda exchange: (exchange.body(), exchange.send(Answer(code, named, body)))[1]


def with_headers(**headers: str) -> Fault:
    """Headers of the answer are others."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.send(attrs.evolve(answer, headers={**answer.headers, **named}))

    return fault


def without_header(name: str) -> Fault:
    """The answer lacks a header."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        kept = {key: value for key, value in answer.headers.items() if key.lower() != name.lower()}
        exchange.send(attrs.evolve(answer, headers=kept))

    return fault


def with_body(body: bytes, status: int = 200, content_type: str = "text/html") -> Fault:
    """The body is another one."""
    return lambda exchange: exchange.send(Answer(status, {"Content-Type": content_type}, body))


def endless(exchange: Exchange) -> None:
    """The body never ends."""
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
    while not exchange.stopped.is_set():
        exchange.write(b"\0" * 65536)


def chunks(data: bytes) -> Fault:
    """The body is in chunks (RFC 9112, section 7.1) of that data, and the connection ends after them."""

    def fault(exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
        exchange.hang_up()

    return fault


def in_chunks(size: int, *, last: bool = True) -> Fault:
    """The body is sent in chunks of a size, whether a range or the whole; or all but the last of them."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        parts = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
        exchange.write(f"HTTP/1.1 {answer.status} -\r\nTransfer-Encoding: chunked\r\n".encode())
        exchange.write(f"Content-Range: {answer.headers.get('Content-Range', '')}\r\n\r\n".encode())
        for part in parts if last else parts[:-1]:
            exchange.write(b"%x\r\n%b\r\n" % (len(part), part))
        if last:
            exchange.write(b"0\r\n\r\n")
        else:
            exchange.hang_up()

    return fault


def _forever(exchange: Exchange, data: bytes) -> None:
    while not exchange.stopped.is_set():
        exchange.write(data)


def endless_headers(exchange: Exchange) -> None:
    """There is always one more header."""
    exchange.write(b"HTTP/1.1 200 OK\r\n")
    _forever(exchange, b"X-Y: z\r\n" * 1000)


def endless_continue(exchange: Exchange) -> None:
    """The answer is always about to come."""
    _forever(exchange, b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def endless_trailers(exchange: Exchange) -> None:
    """There is always one more header after the body."""
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
    _forever(exchange, b"X-Y: z\r\n" * 1000)


def whole_without_length(exchange: Exchange) -> None:
    """The body is there, and its end is that of the connection."""
    answer = exchange.forward()
    exchange.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer.body)
    exchange.hang_up()


def without_range(exchange: Exchange) -> None:
    """The whole is sent, whatever range was asked for."""
    exchange.send(exchange.forward(range=None))


def encoded(exchange: Exchange) -> None:
    """The body is compressed, though nobody said that it may be."""
    answer = exchange.forward()
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    exchange.send(Answer(200, headers, gzip.compress(answer.body)))


def drop_after(count: int) -> Fault:
    """The connection ends after so many bytes of the request, of which the registry sees none."""

    def fault(exchange: Exchange) -> None:
        exchange.body(count)
        exchange.hang_up()

    return fault


def answer_lost(exchange: Exchange) -> None:
    """The registry does what was asked, and the answer is lost."""
    exchange.forward()
    exchange.hang_up()


def interrupt_after(count: int) -> Fault:
    """The connection ends after so many bytes of the request, which the registry sees."""
    return lambda exchange: exchange.interrupt(count)


class PartialUpload:
    """An upload that is interrupted in front of a registry that knows how far it has come.

    distribution 3 does, and 2.8 does not: so the proxy sends it a chunk that ends where the connection does.
    """

    def __init__(self, count: int) -> None:
        """Prepare to interrupt after so many bytes."""
        self._count = count
        self._answer = Answer(404, {}, b"")

    def interrupt(self, exchange: Exchange) -> None:
        """End the connection in the midst of a request with data."""
        data = exchange.body(self._count)
        path = exchange.path.partition("&digest=")[0]
        answer = exchange.forward(method="PATCH", path=path, body=data, content_range=None)
        headers = {name: answer.headers[name] for name in ("Location", "Range")}
        self._answer = Answer(204, headers, b"")
        exchange.hang_up()

    def tell(self, exchange: Exchange) -> None:
        """Answer the question how much has arrived."""
        exchange.send(self._answer)
