import sys

from client.command_line import main

sys.exit(main())
