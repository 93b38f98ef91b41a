"""Where a message ends in a stream, and what in it may differ from one run to the next, by protocol."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

LARGEST = 16 * 1024 * 1024  # bytes of a message; a stream that has no end of one is cut into pieces there
HIDDEN = b"(not recorded)"
SECRET = re.compile(
    rb"(?im)^((?:proxy-)?authorization|cookie|x-api-key|[a-z0-9-]*token)[ \t]*:[ \t]*([^\r\n]*)"
)
VARYING = re.compile(rb"(?im)^(host|user-agent)[ \t]*:[ \t]*([^\r\n]*)")


class Dialect:
    """Bytes without structure: a message is what came in one piece."""

    framed = False

    def split(self, buffer: bytes, *, to_device: bool) -> tuple[list[bytes], bytes]:
        """The whole messages at the beginning of `buffer`, and the rest."""
        return ([buffer] if buffer else []), b""

    def recorded(self, message: bytes) -> bytes:
        """What of a message to the device is written down: all but secrets."""
        return message

    def compared(self, message: bytes) -> bytes:
        """A message to the device with what may differ from run to run made equal."""
        return message

    def reply(self, recorded: bytes, request: bytes) -> bytes:
        """A recorded reply as it must be for this request."""
        return recorded


class Lines(Dialect):
    """SCPI and its like: a message ends with a line feed."""

    framed = True

    def split(self, buffer: bytes, *, to_device: bool) -> tuple[list[bytes], bytes]:
        *whole, rest = buffer.split(b"\n")
        return [one + b"\n" for one in whole], rest


class Modbus(Dialect):
    """Modbus TCP: a header of seven bytes says the length; its first two are the transaction's number, which a client
    counts from wherever it likes and a reply repeats.
    """

    framed = True

    def split(self, buffer: bytes, *, to_device: bool) -> tuple[list[bytes], bytes]:
        whole = []
        while len(buffer) >= 6:
            (length,) = struct.unpack_from(">H", buffer, 4)
            if len(buffer) < 6 + length:
                break
            whole.append(buffer[: 6 + length])
            buffer = buffer[6 + length :]
        return whole, buffer

    def compared(self, message: bytes) -> bytes:
        return b"\0\0" + message[2:]

    def reply(self, recorded: bytes, request: bytes) -> bytes:
        return request[:2] + recorded[2:]


class Http(Dialect):
    """HTTP/1.1: requests by their header and length; replies as they came. Secrets are neither kept nor compared, and
    neither are the names of host and program.
    """

    framed = True

    def split(self, buffer: bytes, *, to_device: bool) -> tuple[list[bytes], bytes]:
        if not to_device:
            return ([buffer] if buffer else []), b""
        whole = []
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head = buffer[: end + 4]
            length = re.search(rb"(?im)^content-length[ \t]*:[ \t]*(\d+)", head)
            size = len(head) + (int(length[1]) if length else 0)
            if re.search(rb"(?im)^transfer-encoding[ \t]*:[ \t]*chunked", head):
                last = re.compile(rb"(?:\A|\r\n)0\r\n\r\n").search(buffer, end + 2)
                if last is None:
                    break
                size = last.end()
            if len(buffer) < size:
                break
            whole.append(buffer[:size])
            buffer = buffer[size:]
        return whole, buffer

    def recorded(self, message: bytes) -> bytes:
        head, blank, body = message.partition(b"\r\n\r\n")
        return SECRET.sub(rb"\1: " + HIDDEN, head) + blank + body

    def compared(self, message: bytes) -> bytes:
        head, blank, body = self.recorded(message).partition(b"\r\n\r\n")
        return VARYING.sub(rb"\1: " + HIDDEN, head) + blank + body


DIALECTS: Mapping[str, Dialect] = {"bytes": Dialect(), "lines": Lines(), "modbus": Modbus(), "http": Http()}
