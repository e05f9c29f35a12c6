"""The product in WebAssembly is a module that says what it is."""

from zsas_book.browser.kernel import _signed, _unsigned, product_module


def test_numbers_are_written_in_sevens_of_bits():
    assert _unsigned(0) == b"\x00"
    assert _unsigned(127) == b"\x7f"
    assert _unsigned(300) == b"\xac\x02"
    assert _signed(63) == b"\x3f"
    assert _signed(64) == b"\xc0\x00"


def test_module_is_small_and_the_same_each_time():
    module = product_module()
    assert module.startswith(b"\0asm\x01\0\0\0")
    assert b"product" in module and b"memory" in module
    assert len(module) < 1000
    assert module == product_module()
