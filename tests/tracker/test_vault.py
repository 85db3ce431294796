import string

import pytest

from tracker import vault
from tracker.vault import SecretUnreadable, Vault, new_api_key, read_api_key

KEY, SECRET, PLACE = b"k" * 32, b"whsec_shared", "partner_secret|secret|1"


def test_a_secret_opens_with_its_key_at_its_place():
    assert Vault(KEY).open(Vault(KEY).seal(SECRET, PLACE), PLACE) == SECRET


def test_what_is_kept_shows_nothing_of_the_secret_and_never_repeats_itself():
    one, other = Vault(KEY).seal(SECRET, PLACE), Vault(KEY).seal(SECRET, PLACE)
    assert one != other
    assert SECRET not in one


def test_another_key_opens_nothing():
    with pytest.raises(SecretUnreadable, match="partner_secret"):
        Vault(b"K" * 32).open(Vault(KEY).seal(SECRET, PLACE), PLACE)


def test_a_secret_that_was_copied_into_another_row_does_not_open_there():
    with pytest.raises(SecretUnreadable):
        Vault(KEY).open(Vault(KEY).seal(SECRET, PLACE), "partner_secret|secret|2")


def test_no_byte_can_be_changed_or_cut_off_unnoticed():
    sealed = Vault(KEY).seal(SECRET, PLACE)
    forged = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))]
    for one in [*forged, *(sealed[:size] for size in range(len(sealed)))]:
        with pytest.raises(SecretUnreadable):
            Vault(KEY).open(one, PLACE)


def test_a_key_that_is_too_short_is_refused_without_being_shown():
    with pytest.raises(ValueError, match="at least 32 bytes, this one has 31") as caught:
        Vault(b"s" * 31)
    assert "sss" not in str(caught.value)


def test_the_data_key_opens_with_its_master_key_alone_and_the_ids_tell_them_apart():
    one, other = vault.MasterKey(KEY), vault.MasterKey(b"K" * 32)
    wrapped = one.wrap(SECRET)
    assert one.unwrap(wrapped) == SECRET
    assert SECRET not in wrapped
    with pytest.raises(SecretUnreadable):
        other.unwrap(wrapped)
    assert one.id == vault.MasterKey(KEY).id != other.id


def test_a_customers_link_stays_until_it_is_renewed_and_cannot_be_guessed_from_another():
    links = {
        (shipment, version): Vault(KEY).link_token(shipment, version) for shipment in (1, 2, 11) for version in (1, 2)
    }
    assert Vault(KEY).link_token(1, 1) == links[1, 1]
    assert len(set(links.values())) == len(links)
    assert Vault(b"K" * 32).link_token(1, 1) != links[1, 1]
    assert {len(link) for link in links.values()} == {22}


def test_an_api_key_is_known_again_by_its_hash():
    key, key_id, kept = new_api_key()
    assert read_api_key(key) == (key_id, kept)
    assert key.encode() not in kept
    assert new_api_key()[0] != key


def test_an_api_key_with_one_wrong_letter_is_none():
    key, _, _ = new_api_key()
    letters = string.ascii_letters + string.digits
    for at in range(len(key)):
        other = next(letter for letter in letters if letter != key[at])
        assert read_api_key(key[:at] + other + key[at + 1 :]) is None, at
    assert read_api_key("") is read_api_key(key[:-1]) is read_api_key(key + "é") is None


def test_equal_and_unequal_are_told_apart():
    assert vault.same(b"a" * 32, b"a" * 32)
    assert not vault.same(b"a" * 32, b"a" * 31 + b"b")
