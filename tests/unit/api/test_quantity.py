import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop_api.quantity import from_bytes, rounded, to_bytes


@pytest.mark.parametrize(
    ("quantity", "count"),
    [
        ("0", 0),
        ("512", 512),
        ("1k", 1000),
        ("1Ki", 1024),
        ("512Mi", 512 << 20),
        ("1.5Gi", 3 << 29),
        ("0.001Ki", 2),
        ("5G", 5 * 10**9),
        ("64Ti", 64 << 40),
    ],
)
def test_bytes_of_a_quantity(quantity: str, count: int) -> None:
    assert to_bytes(quantity) == count


@pytest.mark.parametrize(
    "quantity", ["", "Gi", "-1Gi", "4gb", "4 Gi", "500m", "1e3", "1.2345Gi", "٣Gi", "1Gi\n"]
)
def test_what_is_no_quantity(quantity: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        to_bytes(quantity)


@given(st.integers(0, 1 << 60))
def test_there_and_back(count: int) -> None:
    assert to_bytes(from_bytes(count)) == count


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (1023, "1023"), (1024, "1Ki"), (6657199309, "6.2Gi"), (1 << 40, "1Ti")]
)
def test_rounded_for_sentences(count: int, text: str) -> None:
    assert rounded(count) == text
