"""What an account holds: its one collection, and the videos that exports put there."""

from typing import Any

from videodb_emulator.pure.fields import Refusal
from videodb_emulator.pure.ids import Entropy, new_id


def urls(asset_id: str) -> dict[str, str]:
    """Return where an asset would be streamed and played; the hosts do not exist (RFC 6761, 6.4)."""
    return {
        "stream_url": f"https://stream.example.invalid/{asset_id}.m3u8",
        "player_url": f"https://player.example.invalid/watch?v={asset_id}",
    }


class Library:
    """One collection with its videos."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._videos: dict[str, dict[str, Any]] = {}
        self._collection = {
            "id": new_id("collection", entropy),
            "name": "Default Collection",
            "description": "The one collection of the emulator",
            "is_public": False,
        }

    @property
    def collection_id(self) -> str:
        """The id of the collection."""
        return str(self._collection["id"])

    def collections(self) -> dict[str, Any]:
        """Return the body of a collection listing."""
        return {"collections": [self._collection], "default_collection": self.collection_id}

    def collection(self, collection_id: str) -> dict[str, Any]:
        """Return the collection of that id, or of the alias `default`; raise `Refusal` 404 if there is none."""
        if collection_id not in ("default", self.collection_id):
            raise Refusal(404, f"collection {collection_id} not found")
        return self._collection

    def add_video(self, name: str, length_s: float) -> dict[str, Any]:
        """Keep a new video; return it."""
        video_id = new_id("video", self._entropy)
        self._videos[video_id] = {
            "id": video_id,
            "collection_id": self.collection_id,
            "name": name,
            "description": "",
            "length": round(length_s, 3),
            "thumbnail_url": f"https://stream.example.invalid/{video_id}.png",
            **urls(video_id),
        }
        return self._videos[video_id]

    def video(self, video_id: str) -> dict[str, Any]:
        """Return a video; raise `Refusal` 404 if there is none."""
        if video_id not in self._videos:
            raise Refusal(404, f"video {video_id} not found")
        return self._videos[video_id]
