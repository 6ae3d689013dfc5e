"""System calls that a program has no business to make, name to number, from the kernel's tables."""

from __future__ import annotations

MACHINES = ["x86_64", "aarch64"]

# (x86_64, aarch64), by what they are for.
FORBIDDEN_BY_FAMILY = {
    "network": {
        "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
        "connect": (42, 203), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    },
    "processes": {
        "clone": (56, 220), "execve": (59, 221), "execveat": (322, 281), "setsid": (112, 157), "setpgid": (109, 154),
    },
    "signals and others' processes": {
        "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
        "rt_tgsigqueueinfo": (297, 240), "timer_create": (222, 107), "setpriority": (141, 140),
        "ioprio_set": (251, 30), "ioprio_get": (252, 31), "sched_setaffinity": (203, 122), "sched_setparam": (142, 118),
        "sched_setscheduler": (144, 119), "setrlimit": (160, 164), "migrate_pages": (256, 238),
    },
    "ptrace": {
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    },
    "memory": {
        "memfd_create": (319, 279), "userfaultfd": (323, 282), "mlock": (149, 228), "mlockall": (151, 230),
        "mbind": (237, 235), "set_mempolicy": (238, 237),
    },
    "keyctl": {"keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218)},
    "bpf and perf": {"bpf": (321, 280), "perf_event_open": (298, 241)},
    "mount and unshare": {
        "mount": (165, 40), "umount2": (166, 39), "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51),
        "pivot_root": (155, 41), "swapon": (167, 224), "quotactl": (179, 60),
    },
    "metadata of files": {
        "fchmod": (91, 52), "fchmodat": (268, 53), "fchown": (93, 55), "fchownat": (260, 54), "utimensat": (280, 88),
        "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
        "linkat": (265, 37), "symlinkat": (266, 36), "mknodat": (259, 33), "mkdirat": (258, 34), "truncate": (76, 45),
        "flock": (73, 32), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27), "fanotify_init": (300, 262),
        "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    },
    "identity": {
        "setuid": (105, 146), "setgid": (106, 144), "setreuid": (113, 145), "setresuid": (117, 147),
        "setresgid": (119, 149), "setgroups": (116, 159), "capset": (126, 91), "prctl": (157, 167),
        "seccomp": (317, 277), "personality": (135, 92),
    },
    "objects that outlive a program": {
        "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    },
    "machine": {
        "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
        "reboot": (169, 142), "syslog": (103, 116), "sethostname": (170, 161), "settimeofday": (164, 170),
        "clock_settime": (227, 112), "acct": (163, 89),
    },
    "copies within the kernel": {
        "vmsplice": (278, 75), "splice": (275, 76), "tee": (276, 77), "sendfile": (40, 71),
        "copy_file_range": (326, 285),
    },
}  # fmt: skip
FORBIDDEN = {name: pair for family in FORBIDDEN_BY_FAMILY.values() for name, pair in family.items()}
FORBIDDEN_X86 = {
    "fork": 57, "vfork": 58, "chmod": 90, "chown": 92, "lchown": 94, "utime": 132, "utimes": 235, "link": 86,
    "symlink": 88, "mkdir": 83, "mknod": 133, "arch_prctl": 158, "modify_ldt": 154, "iopl": 172, "ioperm": 173,
}  # fmt: skip
FORBIDDEN_YOUNG = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "pidfd_open": 434, "clone3": 435, "openat2": 437, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "landlock_create_ruleset": 444, "memfd_secret": 447,
    "process_mrelease": 448, "fchmodat2": 452,
}  # fmt: skip
"""The same numbers everywhere. They answer ENOSYS, which libc knows how to live with."""
