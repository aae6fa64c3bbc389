"""The client side: sessions, their streams, and the recorder on this machine."""

from videodb_listen.api.index import SceneIndex
from videodb_listen.api.session import CaptureSession
from videodb_listen.api.stream import Export, RTStream
from videodb_listen.capturing.connection import Collection, Connection, connect
from videodb_listen.capturing.event_socket import EventSocket
from videodb_listen.channels import Channel, ChannelGroup, Channels
from videodb_listen.recorder.client import CaptureClient

__all__ = [
    "CaptureClient",
    "CaptureSession",
    "Channel",
    "ChannelGroup",
    "Channels",
    "Collection",
    "Connection",
    "EventSocket",
    "Export",
    "RTStream",
    "SceneIndex",
    "connect",
]
