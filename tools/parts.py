"""Makes parts of a whole one after the other, and says how long each took: parts.py check test-native ...

The first part that fails ends it. `MAKE` says how to make one.
"""

import os
import subprocess
import sys
import time


def main():
    took, failed, began = {}, None, time.monotonic()
    for part in sys.argv[1:]:
        since = time.monotonic()
        code = subprocess.call([os.environ.get("MAKE", "make"), "--no-print-directory", part])
        took[part] = time.monotonic() - since
        print(f"{part}: {took[part]:.0f} s", flush=True)
        if code:
            failed = part
            break
    width = max(map(len, took))
    print("\n".join(f"{part:<{width}}  {seconds:>4.0f} s" for part, seconds in took.items()))
    print(f"{'in all':<{width}}  {time.monotonic() - began:>4.0f} s" + (f"; {failed} failed" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
