"""golang.py - how Go writes JSON and log records, to the byte. Shared by the two imitations beside it.

Field names and formats are facts of encoding/json and log/slog; what the imitations promise is that a peer cannot tell
them from the real thing.
"""

import base64
import datetime
import json
import sys
import threading

_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Map(dict):
    """A Go map: encoding/json sorts its keys. A plain dict stands for a struct: its fields keep their order."""


def marshal(value):
    """json.Marshal: compact, HTML-safe, bytes as base64, maps sorted."""
    if isinstance(value, bytes):
        return '"' + base64.b64encode(value).decode() + '"'
    if isinstance(value, dict):
        keys = sorted(value) if isinstance(value, Map) else value
        return "{" + ",".join(marshal(key) + ":" + marshal(value[key]) for key in keys) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(marshal, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    return json.dumps(value)


def encode(value):
    """json.NewEncoder(w).Encode: the same with a newline behind it."""
    return marshal(value).encode() + b"\n"


def unmarshal_bytes(text):
    """A []byte field: base64 in the standard alphabet, padded; Go skips line breaks in it and nothing else."""
    if not isinstance(text, str):
        raise ValueError("json: cannot unmarshal into Go value of type []uint8")
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError:
        raise ValueError("illegal base64 data") from None


_log_lock = threading.Lock()


def slog(level, message, **attributes):
    """One record of slog's JSON handler, on stderr."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
    with _log_lock:
        sys.stderr.write(marshal({"time": now, "level": level, "msg": message, **attributes}) + "\n")
        sys.stderr.flush()
