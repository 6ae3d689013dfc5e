"""The entry: `python train.py fit --config configs/case2code/smollm2.yaml`; everything else is in `lit_reason.cli`."""

import sys

from lit_reason.cli import main

if __name__ == "__main__":
    sys.exit(main())
