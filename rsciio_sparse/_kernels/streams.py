"""Event streams of the makers of detectors: JEOL, Velox (FEI) and Bruker.

Streams are read frame by frame (JEOL, Velox) or in parts (Bruker). A frame is read
twice: once to count the events of every pixel, once to put them in their places.
"""

import numpy as np
from numba import njit

# Kinds of words of a JEOL stream, in their upper four bits.
_JEOL_X, _JEOL_Y, _JEOL_IMAGE, _JEOL_EVENT = 0x8000, 0x9000, 0xA000, 0xB000
_JEOL_RANGE = 4096
# Word of a Velox stream that ends the events of a pixel.
_NEXT_PIXEL = 65535
# Bytes of the header of a pixel in a Bruker stream.
_PIXEL_HEADER = 22


@njit(cache=True, nogil=True)
def jeol_frame_end(words, start, step_x, step_y):
    """Find the end of a frame, which is where the beam flies back.

    Parameters
    ----------
    words : (n,) uint16 array
        The stream.
    start : int
        Place of the first word of the frame.
    step_x, step_y : int
        Units of position for a pixel.

    Returns
    -------
    end : int
        Place behind the last word.
    complete : bool
        Whether the frame was scanned to its last line.
    """
    last_x, last_y, image = -1, -1, False
    end = words.size
    for i in range(start, words.size):
        kind, value = words[i] & 0xF000, np.int64(words[i] & 0xFFF)
        if kind == _JEOL_X:
            last_x = value
        elif kind == _JEOL_Y:
            if value < last_y:
                end = i
                break
            last_y = value
        elif kind == _JEOL_IMAGE:
            image = True
    # Without an image in the stream nothing marks the last pixels without events.
    last_line = last_y >= _JEOL_RANGE - step_y
    return end, last_line and (not image or last_x >= _JEOL_RANGE - step_x)


@njit(cache=True, nogil=True)
def jeol_events(words, steps, shape, rebin, counts, cursor, grouped):
    """Count the events of a frame, or put them in their places.

    Parameters
    ----------
    words : (n,) uint16 array
        Words of the frame.
    steps : (int, int)
        Units of position for a pixel along x and y.
    shape : (int, int, int)
        Number of lines, of pixels in a line, and of channels.
    rebin : int
        Number of channels that are put together.
    counts : (n_pixels,) int array
        Number of events of every pixel, increased if ``cursor`` is empty.
    cursor : (n_pixels,) int array
        Next free place of every pixel, advanced; empty in order to count.
    grouped : (n_events,) array
        Channels by pixels; filled in place.
    """
    x, y = 0, 0
    for i in range(words.size):
        kind, value = words[i] & 0xF000, np.int64(words[i] & 0xFFF)
        if kind == _JEOL_X:
            x = value // steps[0]
        elif kind == _JEOL_Y:
            y = value // steps[1]
        elif kind == _JEOL_EVENT and x < shape[1] and y < shape[0]:
            channel = value // rebin
            if channel < shape[2]:
                pixel = y * shape[1] + x
                if cursor.size:
                    grouped[cursor[pixel]] = channel
                    cursor[pixel] += 1
                else:
                    counts[pixel] += 1


@njit(cache=True, nogil=True)
def velox_frame(words, start, n_channels, rebin, counts, cursor, grouped):
    """Count the events of a frame, or put them in their places.

    Parameters
    ----------
    words : (n,) uint16 array
        The stream: channels, and 65535 behind the events of each pixel.
    start : int
        Place of the first word of the frame.
    n_channels : int
        Number of channels after rebinning.
    rebin : int
        Number of channels that are put together.
    counts : (n_pixels,) int array
        Number of events of every pixel, increased if ``cursor`` is empty.
    cursor : (n_pixels,) int array
        Next free place of every pixel, advanced; empty in order to count.
    grouped : (n_events,) array
        Channels by pixels; filled in place.

    Returns
    -------
    int
        Place of the first word of the next frame; -1 for a channel that does not exist.
    """
    pixel = 0
    for i in range(start, words.size):
        if pixel == counts.size:
            return i
        word = np.int64(words[i])
        if word == _NEXT_PIXEL:
            pixel += 1
            continue
        channel = word // rebin
        if channel >= n_channels:
            return -1
        if cursor.size:
            grouped[cursor[pixel]] = channel
            cursor[pixel] += 1
        else:
            counts[pixel] += 1
    return words.size


@njit(cache=True, nogil=True)
def bruker_pixels(raw, place, state, shape, pixels, channels, values):
    """Read the complete pixels of a part of a Bruker stream.

    Parameters
    ----------
    raw : (n,) uint8 array
        Part of the stream that begins with a line or a pixel.
    place : int
        First byte to read.
    state : (3,) int64 array
        Line, pixels left in it, number of entries; updated in place. Reading stops
        before line ``shape[0]``.
    shape : (int, int, int)
        Number of lines to read, of pixels in a line, and of channels.
    pixels, channels, values : (2 n,) int arrays
        Pixel, channel and counts of every entry; filled in place.

    Returns
    -------
    int
        First byte that was not read; -1 for data that no map can have.
    """
    line, left, n = state[0], state[1], state[2]
    while True:
        if left == 0:
            if line == shape[0] or place + 4 > raw.size:
                break
            left = _number(raw, place, 4)
            if left > shape[1]:
                return -1
            place += 4
            if left == 0:
                line += 1
            continue
        if place + _PIXEL_HEADER > raw.size:
            break
        x = _number(raw, place, 4)
        flag, n_pulses = _number(raw, place + 12, 2), _number(raw, place + 16, 2)
        size = _number(raw, place + 18, 4)
        start = place + _PIXEL_HEADER
        if x >= shape[1]:
            return -1
        pixel = line * shape[1] + x
        if flag < 2:
            end = start + size
            if end > raw.size:
                break
            # The last of the groups of four numbers may be cut off in the stream.
            needed = 2 * n_pulses if flag == 0 else 6 * ((n_pulses + 3) // 4)
            if needed > size + (0 if flag == 0 else 5):
                return -1
            if start + needed > raw.size:
                break
            for i in range(n_pulses):
                if flag == 0:
                    channel = _number(raw, start + 2 * i, 2)
                else:
                    channel = _twelve_bits(raw, start + 6 * (i // 4), i % 4)
                if channel < shape[2]:
                    pixels[n], channels[n], values[n] = pixel, channel, 1
                    n += 1
        else:
            if size < 4:
                return -1
            end = start + size + (2 * n_pulses if n_pulses else 0)
            if end > raw.size:
                break
            n = _runs(
                raw,
                start,
                start + size - 4,
                pixel,
                shape[2],
                n,
                pixels,
                channels,
                values,
            )
            if n < 0:
                return -1
            for i in range(n_pulses):
                channel = _number(raw, start + size + 2 * i, 2)
                if channel < shape[2]:
                    pixels[n], channels[n], values[n] = pixel, channel, 1
                    n += 1
        place = end
        left -= 1
        if left == 0:
            line += 1
    state[0], state[1], state[2] = line, left, n
    return place


@njit(cache=True, nogil=True)
def _number(raw, place, size):
    """Little-endian number of some bytes."""
    number = np.int64(0)
    for i in range(size):
        number |= np.int64(raw[place + i]) << (8 * i)
    return number


@njit(cache=True, nogil=True)
def _twelve_bits(raw, place, number):
    """One of the four numbers of 12 bits in six bytes, which lie in pairs reversed."""
    if number == 0:
        return (np.int64(raw[place]) >> 4) + (np.int64(raw[place + 1]) << 4)
    if number == 1:
        return ((np.int64(raw[place]) << 8) + raw[place + 3]) & 0xFFF
    if number == 2:
        return (np.int64(raw[place + 2]) << 4) + (np.int64(raw[place + 5]) >> 4)
    return ((np.int64(raw[place + 5]) << 8) + raw[place + 4]) & 0xFFF


@njit(cache=True, nogil=True)
def _runs(raw, place, end, pixel, n_channels, n, pixels, channels, values):
    """Spectrum as runs of channels, each with an offset and numbers of one size."""
    channel = 0
    while place < end:
        if place + 2 > end:
            return -1
        size, length = np.int64(raw[place]), np.int64(raw[place + 1])
        place += 2
        if size == 0:
            channel += length
            continue
        if size not in (1, 2, 4, 8):
            return -1
        needed = (length + 1) // 2 if size == 1 else length * size // 2
        if place + size + needed > end:
            return -1
        offset = _number(raw, place, min(size, 4))
        place += size
        for i in range(length):
            if size == 1:
                byte = raw[place + i // 2]
                number = np.int64(byte & 15 if i % 2 == 0 else byte >> 4)
            else:
                number = _number(raw, place + i * (size // 2), size // 2)
            number += offset
            if number and channel + i < n_channels:
                if n >= pixels.size:
                    return -1
                pixels[n], channels[n], values[n] = pixel, channel + i, number
                n += 1
        place += needed
        channel += length
    return n
