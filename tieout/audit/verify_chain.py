"""Checks an exported audit chain: call it with the path of chain.ndjson."""

import hashlib
import json
import sys


def main(path: str) -> int:
    """Print the last entry's number and hash, or what is wrong. 0 holds, 1 does not."""
    previous, number = "0" * 64, 0
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - runs anywhere
        for number, line in enumerate(file, 1):
            one = json.loads(line)
            fields = (previous, one["seq"], one["at"], one["kind"], one["body"])
            text = "\n".join(map(str, fields))
            if one["seq"] != number or one["previous"] != previous:
                print(f"entry {one['seq']} does not follow entry {number - 1}")  # noqa: T201
                return 1
            if hashlib.sha256(text.encode()).hexdigest() != one["sha256"]:
                print(f"entry {number} is not what was recorded")  # noqa: T201
                return 1
            previous = one["sha256"]
    print(number, previous)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
