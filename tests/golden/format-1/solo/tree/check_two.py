import sys

import two

sys.exit(two.DOUBLE != 4)
