"""The client side: sessions, their streams, and the recorder on this machine."""

from videodb_listen.capture.channels import Channel, ChannelGroup, Channels
from videodb_listen.capture.client import CaptureClient
from videodb_listen.capture.connection import Collection, Connection, connect
from videodb_listen.capture.rtstream import Export, RTStream
from videodb_listen.capture.scene_index import SceneIndex
from videodb_listen.capture.session import CaptureSession
from videodb_listen.capture.websocket import EventSocket

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
