"""A recording of three tones with pauses: python tests/exercises/sound.py tones.wav"""

import io
import sys
import wave
from array import array
from math import pi, sin
from pathlib import Path

RATE = 8000
PARTS = [(1.0, 3.0), (4.0, 5.0), (6.5, 9.0)]  # when each tone begins and ends, in seconds
SECONDS = 10


def recording(parts=PARTS) -> bytes:
    samples = array("h", bytes(2 * RATE * SECONDS))
    for start, end in parts:
        for number in range(int(start * RATE), int(end * RATE)):
            samples[number] = round(10_000 * sin(2 * pi * 400 * number / RATE))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(recording())
