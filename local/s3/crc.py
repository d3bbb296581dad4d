"""Reflected CRCs at a speed that a store can bear, for polynomials that the standard library lacks.

A CRC register is linear: running it over ``a + b`` equals running it over ``a``, advancing it by ``len(b)`` zero bytes
and adding what ``b`` alone gives. So a block is cut into thousands of lanes that numpy runs side by side, and the lanes
are folded pairwise. The same *advance* joins the CRCs of the parts of a multipart upload.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Registers: TypeAlias = NDArray[np.uint64]
_LANES = (4096, 64)
_BYTE = np.uint64(0xFF)
_WORD = np.uint64(0xFFFF)


class Crc:
    """A running CRC whose initial value and final mask are all ones."""

    def __init__(self, width: int, polynomial: int) -> None:
        self._width = width
        self._polynomial = polynomial
        self._mask = (1 << width) - 1
        self._register = self._mask

    def update(self, block: bytes | bytearray | memoryview) -> None:
        """Takes the next bytes; large blocks run at hundreds of MB/s, a few bytes cost microseconds each."""
        rest = memoryview(block)
        for lanes in _LANES:
            length = len(rest) // (2 * lanes) * 2
            if length:
                self._take(rest[: length * lanes], lanes, length)
                rest = rest[length * lanes :]
        if rest:
            table = _byte_table(self._polynomial)
            register = self._register
            for byte in rest:
                register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
            self._register = register

    def digest(self) -> bytes:
        return (self._register ^ self._mask).to_bytes(self._width // 8, "big")

    def _take(self, block: memoryview, lanes: int, length: int) -> None:
        columns = np.ascontiguousarray(np.frombuffer(block, "<u2").reshape(lanes, length // 2).T).astype(np.uint64)
        table = _word_table(self._polynomial)
        state: Registers = np.zeros(lanes, np.uint64)
        state[0] = self._register
        for column in columns:
            state = table[(state ^ column) & _WORD] ^ (state >> np.uint64(16))
        while len(state) > 1:
            state = _apply(_advancing(self._polynomial, length), state[0::2]) ^ state[1::2]
            length *= 2
        self._register = int(state[0])


def advance(register: int, zeros: int, polynomial: int) -> int:
    """The register after ``zeros`` more zero bytes."""
    if zeros == 0:
        return register
    return int(_apply(_advancing(polynomial, zeros), np.array([register], np.uint64))[0])


def join(first: int, second: int, second_length: int, polynomial: int) -> int:
    """The CRC of two pieces in a row, from the finished CRCs of the pieces."""
    return advance(first, second_length, polynomial) ^ second


@lru_cache(maxsize=8)
def _byte_table(polynomial: int) -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


@lru_cache(maxsize=8)
def _word_table(polynomial: int) -> Registers:
    return _apply(_advancing(polynomial, 2), np.arange(65536, dtype=np.uint64))


@lru_cache(maxsize=256)
def _advancing(polynomial: int, zeros: int) -> Registers:
    """The linear map *advance by so many zero bytes*, as eight tables, one for each byte of the register."""
    if zeros == 1:
        registers = np.arange(256, dtype=np.uint64)[None, :] << np.arange(0, 64, 8, dtype=np.uint64)[:, None]
        table = np.array(_byte_table(polynomial), np.uint64)
        return np.asarray(table[registers & _BYTE] ^ (registers >> np.uint64(8)), np.uint64)
    half = _advancing(polynomial, zeros // 2)
    whole = _apply(half, half)
    return _apply(_advancing(polynomial, 1), whole) if zeros % 2 else whole


def _apply(tables: Registers, registers: Registers) -> Registers:
    result = np.zeros_like(registers)
    for place in range(8):
        result ^= tables[place][(registers >> np.uint64(8 * place)) & _BYTE]
    return result
