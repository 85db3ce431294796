"""Becomes another program, under another user if so asked, that is told to stop when the process that started it dies.

Run as a script of its own and not between fork and exec, where a process with threads may do next to nothing:
`leash.py UID GID SIGNAL PARENT PROGRAM ARGUMENT...`; UID and GID are -1 where the user stays. Elsewhere than on Linux
no process can ask for this, and only the user is changed.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(uid: int, gid: int, signal: int, parent: int, *, program: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":  # after setuid, which would clear it
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that asked for this program is gone")
    os.execv(program[0], program)  # noqa: S606 - there is no shell because none is wanted


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:5]), program=sys.argv[5:])
