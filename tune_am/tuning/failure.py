"""What to tell of a failure that is known by its text only."""

from __future__ import annotations

_FRAME = '  File "'


def cause(text: str) -> str:
    """The line of `text` that says what was wrong: of a traceback that with the exception, which
    more lines may follow, of anything else the last; "" where there is none."""
    lines = text.strip().splitlines()
    frames = [number for number, line in enumerate(lines) if line.startswith(_FRAME)]
    if frames:
        after = (line for line in lines[frames[-1] :] if line.strip() and line[0] != " ")
        return next(after, lines[-1])
    return lines[-1] if lines else ""
