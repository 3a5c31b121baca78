"""Events grouped by pixels: sorting, merging, differences, and dense spectra.

An event is one count: a pixel and a channel. Events of many pixels are stored one pixel
after the other; ``pointers[i]`` is the place of the first event of pixel i.
"""

import numpy as np
from numba import njit

# Rows up to this length are sorted by insertion, which is faster for short rows.
_SHORT = 40


@njit(cache=True, nogil=True)
def count_events(pixels, counts):
    """Add the number of events of every pixel to ``counts``.

    Parameters
    ----------
    pixels : (n,) int array
        Pixel of each event.
    counts : (n_pixels,) int array
        Number of events of every pixel.
    """
    for i in range(pixels.size):
        counts[pixels[i]] += 1


@njit(cache=True, nogil=True)
def place_events(pixels, channels, cursor, grouped):
    """Put every channel at the next free place of its pixel; advances ``cursor``.

    Parameters
    ----------
    pixels : (n,) int array
        Pixel of each event.
    channels : (n,) int array
        Channel of each event.
    cursor : (n_pixels,) int array
        Next free place of every pixel; advanced in place.
    grouped : (n,) array
        Channels by pixels; filled in place.
    """
    for i in range(pixels.size):
        pixel = pixels[i]
        grouped[cursor[pixel]] = channels[i]
        cursor[pixel] += 1


@njit(cache=True, nogil=True)
def sort_rows(pointers, channels):
    """Sort the channels of every pixel, in place.

    Parameters
    ----------
    pointers : (n_pixels + 1,) int array
        Place of the first event of every pixel.
    channels : (n,) int array
        Channel of each event.
    """
    for row in range(pointers.size - 1):
        first, last = pointers[row], pointers[row + 1]
        if last - first > _SHORT:
            part = channels[first:last]
            part.sort()
            continue
        for i in range(first + 1, last):
            value = channels[i]
            j = i - 1
            while j >= first and channels[j] > value:
                channels[j + 1] = channels[j]
                j -= 1
            channels[j + 1] = value


@njit(cache=True, nogil=True)
def merge_events(pointers, channels, indptr, indices, values):
    """Rows of sorted events to CSR.

    Parameters
    ----------
    pointers : (n_pixels + 1,) int array
        Place of the first event of every pixel.
    channels : (n,) int array
        Channel of each event.
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.

    Returns
    -------
    int
        Number of entries.
    """
    entry = 0
    for row in range(pointers.size - 1):
        indptr[row] = entry
        previous = -1
        for i in range(pointers[row], pointers[row + 1]):
            channel = np.int64(channels[i])
            if channel == previous:
                values[entry - 1] += 1
            else:
                indices[entry] = channel
                values[entry] = 1
                entry += 1
                previous = channel
    indptr[pointers.size - 1] = entry
    return entry


@njit(cache=True, nogil=True)
def repeat_entries(indices, values, channels):
    """CSR entries to sorted events: every channel as often as it was counted.

    Parameters
    ----------
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.
    channels : (n,) int array
        Channel of each event.
    """
    event = 0
    for i in range(indices.size):
        for _ in range(values[i]):
            channels[event] = indices[i]
            event += 1


@njit(cache=True, nogil=True)
def encode_events(indptr, indices, values, counts, steps):
    """CSR to counts of pixels and differences of the channels of their events.

    Parameters
    ----------
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.
    counts : (n_pixels,) int array
        Number of events of every pixel.
    steps : (n,) int array
        Difference of the channel of each event from that before it in its pixel.

    Returns
    -------
    most, widest : int
        Largest number of events of a pixel, and largest difference.
    """
    event, most, widest = 0, 0, 0
    for row in range(indptr.size - 1):
        first, previous = event, 0
        for i in range(indptr[row], indptr[row + 1]):
            channel = np.int64(indices[i])
            steps[event] = channel - previous
            widest = max(widest, channel - previous)
            previous = channel
            last = event + np.int64(values[i])
            for j in range(event + 1, last):
                steps[j] = 0
            event = last
        counts[row] = event - first
        most = max(most, event - first)
    return most, widest


@njit(cache=True, nogil=True)
def decode_events(counts, steps, n_channels, indptr, indices, values):
    """Counts of pixels and differences of channels to CSR.

    Parameters
    ----------
    counts : (n_pixels,) int array
        Number of events of every pixel.
    steps : (n,) int array
        Difference of the channel of each event from that before it in its pixel.
    n_channels : int
        Number of channels.
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.

    Returns
    -------
    int
        Number of entries; -1 for a channel that does not exist, and for numbers of
        events that do not fit.
    """
    entry = np.int64(0)
    event = np.int64(0)
    for row in range(counts.size):
        indptr[row] = entry
        channel = np.int64(0)
        n = np.int64(counts[row])
        if n < 0 or event + n > steps.size:
            return np.int64(-1)
        for i in range(event, event + n):
            step = np.int64(steps[i])
            channel += step
            if step < 0 or channel >= n_channels:
                return np.int64(-1)
            if step == 0 and i > event:
                values[entry - 1] += 1
            else:
                indices[entry] = channel
                values[entry] = 1
                entry += 1
        event += n
    indptr[counts.size] = entry
    if event != steps.size:
        return np.int64(-1)
    return entry


@njit(cache=True, nogil=True)
def is_valid_csr(indptr, indices, n_channels):
    """Whether pointers and indices are those of a CSR matrix with sorted rows.

    Parameters
    ----------
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    n_channels : int
        Number of channels.

    Returns
    -------
    bool
        Whether rows are sorted and within the channels.
    """
    if indptr[0] != 0 or indptr[-1] != indices.size:
        return False
    for row in range(indptr.size - 1):
        first, last = np.int64(indptr[row]), np.int64(indptr[row + 1])
        if first > last or last > indices.size:
            return False
        previous = np.int64(-1)
        for i in range(first, last):
            channel = np.int64(indices[i])
            if channel <= previous or channel >= n_channels:
                return False
            previous = channel
    return True


@njit(cache=True, nogil=True)
def fill_dense(indptr, indices, values, out):
    """Write CSR entries into a dense array of zeros of shape (pixels, channels).

    Parameters
    ----------
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.
    out : (n_pixels, n_channels) array
        Array of zeros; filled in place.
    """
    for row in range(indptr.size - 1):
        for i in range(indptr[row], indptr[row + 1]):
            out[row, indices[i]] = values[i]


@njit(cache=True, nogil=True)
def add_spectrum(indices, values, spectrum):
    """Add all entries of a CSR matrix to the spectrum of their sum.

    Parameters
    ----------
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.
    spectrum : (n_channels,) array
        Sums, increased in place.
    """
    for i in range(indices.size):
        spectrum[indices[i]] += values[i]


@njit(cache=True, nogil=True)
def csr_of_dense(rows, indptr, indices, values):
    """Entries of dense rows that are not zero; the size is known from a count.

    Parameters
    ----------
    rows : (n_pixels, n_channels) array
        Dense spectra.
    indptr : (n_pixels + 1,) int array
        Place of the first entry of every pixel.
    indices : (n_entries,) int array
        Channel of each entry.
    values : (n_entries,) int array
        Number of counts of each entry.
    """
    entry = 0
    for row in range(rows.shape[0]):
        indptr[row] = entry
        for channel in range(rows.shape[1]):
            if rows[row, channel] != 0:
                indices[entry] = channel
                values[entry] = rows[row, channel]
                entry += 1
    indptr[rows.shape[0]] = entry
