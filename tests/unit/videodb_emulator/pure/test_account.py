"""What belongs to the whole account."""

import pytest

from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.fields import Fields, Refusal


def test_a_client_token_opens_the_account_while_it_lives() -> None:
    account = Account(Agenda())
    issued = account.issue_token(Fields({"expires_in": 60}), 100.0)
    assert (issued["expires_in"], issued["expires_at"]) == (60, 160)
    assert account.accepts(issued["token"], 159.9)
    assert not account.accepts(issued["token"], 160.0)
    assert not account.accepts("st-guess", 100.0)
    assert not account.accepts("", 100.0)
    assert account.accepts("sk-any", 100.0)


def test_the_collection_is_found_by_its_id_and_its_alias_only() -> None:
    library = Account(Agenda()).library
    assert library.collection("default") is library.collection(library.collection_id)
    assert library.collections()["default_collection"] == library.collection_id
    with pytest.raises(Refusal, match="not found"):
        library.collection("c-other")
