"""What agents are handed: new items in batches that are acknowledged, and nothing lost in between."""

from videodb_listen.feed.feed import Batch, Feed
from videodb_listen.feed.items import Item

__all__ = ["Batch", "Feed", "Item"]
