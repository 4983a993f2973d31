"""Becomes a program as a systemd unit would start it, where there is no systemd:

    confined.py UNIT PROGRAM [ARGUMENT…]

as an ordinary user (if started by root), with the unit's limits, without new privileges, and under
its filters of system calls, memory that is written and executed, and address families. A call that
the unit does not allow ends the process (SIGSYS) instead of failing, so that none goes unseen.
"""
import ctypes
import os
import re
import resource
import socket
import struct
import subprocess
import sys

NOBODY = 65534
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, AND, RETURN = 0x20, 0x54, 0x06
EQUAL = 0x15
NR, ARCH, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; of an argument its lower half
EAFNOSUPPORT = 97
PROT_WRITE, PROT_EXEC = 2, 4
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def settings_of(unit):
    """All values of each key, in order."""
    settings = {}
    for line in open(unit, encoding="utf-8"):
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def expand(name):
    """The system calls of a set, or the one."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True,
                          capture_output=True, text=True).stdout
    members = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(expand(m) for m in members if m and not m.startswith("#")))


def allowed_calls(filters):
    allowed = expand("@default")
    for text in filters:
        names = set().union(*(expand(name) for name in text.lstrip("~").split()))
        allowed = allowed - names if text.startswith("~") else allowed | names
    return allowed


def numbers():
    """The system calls of this machine, by name."""
    text = subprocess.run(["cc", "-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"],
                          check=True, capture_output=True, text=True).stdout
    return {name: int(nr) for name, nr in re.findall(r"#define __NR_(\w+) (\d+)\n", text)}


def instruction(code, k, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, k)


def on_call(nr, body):
    """`body`, where it is this call."""
    return [instruction(EQUAL, nr, 0, len(body))] + body


def program(settings):
    nr_of = numbers()
    kill = instruction(RETURN, KILL)
    code = [instruction(LOAD, ARCH), instruction(EQUAL, ARCHES[os.uname().machine], 1, 0), kill,
            instruction(LOAD, NR)]
    # systemd's MemoryDenyWriteExecute.
    if settings["MemoryDenyWriteExecute"] == ["yes"]:
        for name, bits in (("mmap", PROT_WRITE | PROT_EXEC), ("mprotect", PROT_EXEC)):
            code += on_call(nr_of[name], [
                instruction(LOAD, ARGUMENTS + 2 * 8), instruction(AND, bits),
                instruction(EQUAL, bits, 0, 1), kill, instruction(RETURN, ALLOW)])
    families = [getattr(socket, name)
                for name in settings["RestrictAddressFamilies"][0].split()]
    checks = [instruction(LOAD, ARGUMENTS)]
    for family in families:
        checks += [instruction(EQUAL, family, 0, 1), instruction(RETURN, ALLOW)]
    code += on_call(nr_of["socket"], checks + [instruction(RETURN, ERRNO | EAFNOSUPPORT)])
    for name in sorted(allowed_calls(settings["SystemCallFilter"])):
        if name in nr_of:
            code += on_call(nr_of[name], [instruction(RETURN, ALLOW)])
    return code + [kill]


def main():
    settings = settings_of(sys.argv[1])
    code = program(settings)
    # Its directory may be closed to the user that runs it.
    executable = os.open(sys.argv[2], os.O_RDONLY)
    for limit in ("NOFILE", "MEMLOCK", "CORE"):
        value = int(settings["Limit" + limit][0])
        hard = resource.getrlimit(getattr(resource, "RLIMIT_" + limit))[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, "RLIMIT_" + limit), (value, value))
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    libc = ctypes.CDLL(None, use_errno=True)
    text = b"".join(code)
    buffer = ctypes.create_string_buffer(text, len(text))
    filters = ctypes.create_string_buffer(
        struct.pack("HxxxxxxQ", len(code), ctypes.addressof(buffer)))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
    os.execve(executable, sys.argv[2:], os.environ)


main()
